// What the page's visitors do that no server sees: each click becomes a record of `web-click`, by the
// official browser SDK. It collects a few seconds' worth, and sends the rest when the page is left.
import Tracker from "@aliyun-sls/web-track-browser";

const wanted = new URLSearchParams(location.search);
const tracker = new Tracker({
  // The page's own address, which hands records on (serve.py): no second name, no CORS, no key.
  host: location.origin,
  project: "myorder",
  logstore: "web-click",
  topic: "page",
  time: 2,
  count: 20,
});

// One for each tab, as the log of registrations has it; leaflets' QR codes bring source and ref.
const session =
  sessionStorage.getItem("session") ??
  [...crypto.getRandomValues(new Uint8Array(8))].map((each) => each.toString(16).padStart(2, "0")).join("");
sessionStorage.setItem("session", session);

let step = 0;
function record(click, way = "send") {
  tracker[way]({
    session,
    page: "shop",
    click,
    step: step++,
    at: Math.floor(Date.now() / 1000),
    source: wanted.get("source") ?? "",
    ref: wanted.get("ref") ?? "",
  });
}

const basket = { count: 0, amount: 0 };
const act = {
  dish(button) {
    basket.count += 1;
    basket.amount += Number(button.dataset.price);
    document.getElementById("count").textContent = basket.count;
    document.getElementById("amount").textContent = basket.amount;
  },
  basket() {
    document.getElementById("basket").hidden = false;
  },
  order() {
    document.getElementById("said").textContent = basket.count
      ? `Thank you: ¥${basket.amount}, on its way.`
      : "Choose a dish first.";
  },
};

record("open");
for (const button of document.querySelectorAll("button[data-click]")) {
  button.addEventListener("click", () => {
    act[button.dataset.click](button);
    record(button.dataset.click);
  });
}
document.getElementById("menu").addEventListener("toggle", (event) => event.target.open && record("menu"));
addEventListener("scroll", () => record("scroll"), { once: true, passive: true });
// The SDK sends what it holds before this, so this one goes by itself.
addEventListener("pagehide", () => record("close", "sendImmediate"), { once: true });
