// Show new mails as they come. A reader who has chosen a mail keeps it: only the list changes.
const list = document.querySelector("nav ol");
const news = document.getElementById("news");

async function look() {
  const answer = await fetch(location.href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const newest = page.body.dataset.newest;
  if (newest === document.body.dataset.newest) return;
  if (!location.search) return location.reload();
  document.body.dataset.newest = newest;
  list.replaceChildren(...page.querySelector("nav ol").children);
  news.textContent = "New mail";
}

setInterval(() => look().catch(() => (news.textContent = "make run has stopped.")), 1000);
