"""`put`: an item into the table of users, as any other program puts one."""
