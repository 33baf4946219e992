// Shows overstays and silent gates as a quiet list that stays until a person dismisses it. Every page works without it.
//
// The browser stores only keys: ids of sessions, and gates with the time of their last read. The server sends the texts of
// those that the person may see.
"use strict";

(() => {
  const INTERVAL_MS = 15000; // between a response and the next request
  const FETCH_TIMEOUT_MS = 8000;
  const KEPT_MAX = 100; // notices that are shown
  const STORED = "dwell-notices";

  const none = () => ({ kept: [], dismissed: [] });
  let memory = none(); // where storage is forbidden

  function load() {
    try {
      const { kept, dismissed } = JSON.parse(localStorage.getItem(STORED)) ?? none();
      return Array.isArray(kept) && Array.isArray(dismissed) ? { kept, dismissed } : none();
    } catch {
      return memory;
    }
  }

  function store(state) {
    memory = state;
    try {
      localStorage.setItem(STORED, JSON.stringify(state));
    } catch {
      // the notices apply to this page only
    }
  }

  async function ask() {
    if (!document.hidden) {
      try {
        const kept = load().kept.map((key) => ["kept", key]);
        const answer = await fetch(`/notices?${new URLSearchParams(kept)}`, {
          headers: { accept: "text/html" },
          cache: "no-store",
          signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
        });
        if (answer.ok) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
      } catch {
        // the header of the page reports that the server is down
      }
    }
    setTimeout(ask, INTERVAL_MS);
  }

  function show(fresh) {
    const items = [...fresh.querySelectorAll("#notices-now > li")];
    const keys = items.map((item) => item.dataset.key);
    const dismissed = load().dismissed.filter((key) => keys.includes(key));
    const shown = items.filter((item) => !dismissed.includes(item.dataset.key)).slice(0, KEPT_MAX);
    store({ kept: shown.map((item) => item.dataset.key), dismissed });
    const list = document.getElementById("notices-list");
    // A focused button stays where it is.
    if (list.contains(document.activeElement)) return;
    list.replaceChildren(...shown.map(withButton));
    count();
  }

  function withButton(item) {
    const line = document.importNode(item, true);
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Dismiss";
    button.setAttribute("aria-label", `Dismiss: ${line.textContent.trim()}`);
    button.addEventListener("click", () => dismiss([line]));
    line.append(" ", button);
    return line;
  }

  function dismiss(lines) {
    const { kept, dismissed } = load();
    const gone = lines.map((line) => line.dataset.key);
    store({ kept: kept.filter((key) => !gone.includes(key)), dismissed: [...dismissed, ...gone] });
    for (const line of lines) line.remove();
    count();
  }

  function count() {
    const lines = document.getElementById("notices-list").children.length;
    document.getElementById("notices").hidden = lines === 0;
    document.getElementById("notices-count").textContent = String(lines);
  }

  document.addEventListener("DOMContentLoaded", () => {
    if (!document.getElementById("notices")) return;
    const list = document.getElementById("notices-list");
    document.getElementById("notices-dismiss").addEventListener("click", () => dismiss([...list.children]));
    ask();
  });
})();
