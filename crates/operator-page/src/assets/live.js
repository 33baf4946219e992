// Keeps a page as new as the ledger, and remembers the chosen theme. Every page is whole without it.
//
// The current address is fetched again, and the elements with data-live are brought up to date in place, so that focus,
// scroll and open details stay. The page says in data-refresh of its main part when: always, on a change that the live
// feed tells of (or, without a feed, always) and every few seconds, since open stays grow, or never. The health in the
// header is in no feed and has to show within three seconds, so every second either the page or the header alone is
// asked for.
"use strict";

(() => {
  const EVERY_MS = 1000; // between an answer and the next question
  const AGE_MS = 5000; // the oldest that a page gets on which nothing has changed
  const BYTES_A_MS = 50; // a large page is asked for less often: so many bytes for each millisecond
  const PATIENCE_MS = 8000; // the longest that an answer may take
  const FEED_AGAIN_MS = 15000; // before a feed that ended is tried again

  // --- Theme: before the page is drawn -------------------------------------------------------------------------------

  const THEMES = ["auto", "light", "dark"];
  const stored = (value) => {
    try {
      if (value !== undefined) localStorage.setItem("dwell-theme", value);
      return localStorage.getItem("dwell-theme");
    } catch {
      return value; // storage is forbidden: the choice holds for this page
    }
  };
  let theme = THEMES.includes(stored()) ? stored() : "auto";
  const showTheme = () => {
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) button.textContent = `Theme: ${theme}`;
  };
  showTheme();

  // --- Bringing the page up to date -----------------------------------------------------------------------------------

  const isSame = (one, other) =>
    one.nodeType === other.nodeType && one.nodeName === other.nodeName && (one.id ?? "") === (other.id ?? "");
  const key = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset?.key : undefined);

  function patch(old, fresh) {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType !== Node.ELEMENT_NODE) {
      old.nodeValue = fresh.nodeValue;
      return;
    }
    const isOpenable = old.nodeName === "DETAILS";
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !(isOpenable && name === "open")) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    // What a person is choosing or typing is theirs.
    if (["SELECT", "INPUT"].includes(old.nodeName)) return;
    patchChildren(old, fresh);
  }

  function patchChildren(old, fresh) {
    const keyed = new Map();
    for (const child of old.childNodes) if (key(child)) keyed.set(key(child), child);
    let place = old.firstChild;
    for (const wanted of [...fresh.childNodes]) {
      const known = keyed.get(key(wanted));
      if (known) {
        if (known === place) place = place.nextSibling;
        else old.insertBefore(known, place);
        patch(known, wanted);
      } else if (place && !key(place) && !key(wanted) && isSame(place, wanted)) {
        const current = place;
        place = place.nextSibling;
        patch(current, wanted);
      } else {
        old.insertBefore(document.importNode(wanted, true), place);
      }
      keyed.delete(key(wanted));
    }
    while (place) {
      const next = place.nextSibling;
      place.remove();
      place = next;
    }
    for (const gone of keyed.values()) gone.remove();
  }

  // --- When to ask --------------------------------------------------------------------------------------------------

  const state = { isPaused: false, isAsking: false, hasFeed: false, hasChanged: false, isLost: false, pageAt: 0, pageAfter: 0, updatedAt: 0, timer: 0 };
  const refresh = () => document.getElementById("main").dataset.refresh;

  function wantsPage() {
    const now = performance.now();
    if (refresh() === "never" || now < state.pageAfter) return false;
    return refresh() === "always" || state.hasChanged || !state.hasFeed || now - state.pageAt > AGE_MS;
  }

  async function ask() {
    clearTimeout(state.timer);
    if (state.isPaused || state.isAsking || document.hidden) return;
    state.isAsking = true;
    const isPage = wantsPage();
    const askedAt = performance.now();
    if (isPage) {
      state.hasChanged = false;
      state.pageAt = askedAt;
    }
    try {
      const answer = await fetch(isPage ? location.href : "/header", {
        headers: { accept: "text/html" },
        cache: "no-store",
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      const text = await answer.text();
      const fresh = new DOMParser().parseFromString(text, "text/html");
      state.isLost = !answer.ok;
      // Who paused meanwhile reads on undisturbed.
      if (!state.isPaused) show(fresh, answer.ok, isPage);
      // A page that takes long to make, to send or to show is asked for less often.
      const tookMs = performance.now() - askedAt;
      if (isPage) state.pageAfter = askedAt + Math.max(tookMs * 5, text.length / BYTES_A_MS);
    } catch {
      state.isLost = true;
    }
    state.hasChanged ||= isPage && (state.isLost || state.isPaused);
    state.isAsking = false;
    say();
    soon();
  }

  function show(fresh, isOk, isPage) {
    for (const element of document.querySelectorAll("[data-live]")) {
      const newer = fresh.getElementById(element.id);
      // A page that had content keeps it while the server can only say what is wrong.
      if (newer && (isOk || element.id !== "main")) patch(element, newer);
    }
    if (isOk && isPage) document.title = fresh.title;
    if (isOk && refresh() !== "never") updated();
  }

  function soon() {
    clearTimeout(state.timer);
    state.timer = setTimeout(ask, EVERY_MS);
  }

  function updated() {
    state.updatedAt = performance.now();
    showAge();
  }

  // An age, not a time: the only clock of the page is the lot's.
  function showAge() {
    const seconds = Math.floor((performance.now() - state.updatedAt) / 1000);
    const age = seconds < 3 ? "just now" : seconds < 120 ? `${seconds} s ago` : `${Math.floor(seconds / 60)} min ago`;
    const when = document.getElementById("live-when");
    if (when.textContent !== `Updated ${age}`) when.textContent = `Updated ${age}`;
  }

  // Said only when it changes: a voice that speaks every second is of no use.
  function say() {
    const mode = document.getElementById("live-mode");
    const isStill = refresh() === "never";
    const kind = state.isPaused ? "paused" : state.isLost ? "lost" : isStill ? "still" : state.hasFeed ? "live" : "polling";
    const words = {
      paused: "Paused", lost: "No answer: this may be old", still: "Not refreshed", live: "Live", polling: "Every second",
    }[kind];
    if (mode.textContent !== words) mode.textContent = words;
    document.getElementById("live").dataset.mode = kind;
  }

  function follow(feed) {
    if (!feed) return;
    const socket = new WebSocket(new URL(feed, location.href.replace(/^http/, "ws")));
    socket.onopen = () => {
      state.hasFeed = true;
      state.hasChanged = true; // what came before the feed is not in it
      say();
    };
    socket.onmessage = () => {
      state.hasChanged = true;
    };
    socket.onclose = () => {
      state.hasFeed = false;
      say();
      setTimeout(() => follow(feed), FEED_AGAIN_MS);
    };
  }

  document.addEventListener("DOMContentLoaded", () => {
    const pause = document.getElementById("live-pause");
    pause.addEventListener("click", () => {
      state.isPaused = !state.isPaused;
      pause.setAttribute("aria-pressed", String(state.isPaused));
      say();
      ask();
    });
    document.getElementById("theme").addEventListener("click", () => {
      theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
      stored(theme);
      showTheme();
    });
    document.addEventListener("visibilitychange", ask);
    document.getElementById("live").hidden = false;
    updated();
    setInterval(showAge, 1000);
    showTheme();
    say();
    follow(document.body.dataset.feed);
    soon();
  });
})();
