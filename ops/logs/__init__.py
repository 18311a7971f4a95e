"""`logs`: the logs of all functions as one stream."""
