// Keeps a page up to date, and remembers the chosen theme. Every page works without it.
//
// Fetches the current address again and patches the elements with data-live in place, so that focus, scroll position and
// open details stay. data-refresh of the main part selects when: always, on a change in the live feed (or, without a
// feed, always) and every few seconds, because open stays grow, or never. The health in the header is in no feed and has
// to be shown within three seconds, so every second either the page or only the header is fetched.
"use strict";

(() => {
  const POLL_INTERVAL_MS = 1000; // between a response and the next request
  const PAGE_AGE_MAX_MS = 5000; // a page without changes is fetched again at this age
  const BYTES_PER_MS_MAX = 50; // limits the traffic: a large page is fetched less often
  const FETCH_TIMEOUT_MS = 8000;
  const FEED_RETRY_MS = 15000; // before the feed reconnects

  // --- Theme: before the page is drawn -------------------------------------------------------------------------------

  const THEMES = ["auto", "light", "dark"];
  const stored = (value) => {
    try {
      if (value !== undefined) localStorage.setItem("dwell-theme", value);
      return localStorage.getItem("dwell-theme");
    } catch {
      return value; // storage is forbidden: the choice applies to this page only
    }
  };
  let theme = THEMES.includes(stored()) ? stored() : "auto";
  const showTheme = () => {
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) button.textContent = `Theme: ${theme}`;
  };
  showTheme();

  // --- Patching the page ---------------------------------------------------------------------------------------------

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
    // Keep what a person selects or types.
    if (["SELECT", "INPUT"].includes(old.nodeName) || old.id === "tapped") return;
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

  // --- When to fetch ------------------------------------------------------------------------------------------------

  const state = { isPaused: false, isAsking: false, hasFeed: false, hasChanged: false, isLost: false, pageAt: 0, pageAfter: 0, updatedAt: 0, timer: 0 };
  const refresh = () => document.getElementById("main").dataset.refresh;

  function wantsPage() {
    const now = performance.now();
    if (refresh() === "never" || now < state.pageAfter) return false;
    return refresh() === "always" || state.hasChanged || !state.hasFeed || now - state.pageAt > PAGE_AGE_MAX_MS;
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
        signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
      });
      // The login session has ended: the server sends a person who opens the page to the form.
      if (answer.status === 401 && document.getElementById("person")) return location.reload();
      const text = await answer.text();
      const fresh = new DOMParser().parseFromString(text, "text/html");
      state.isLost = !answer.ok;
      // Paused meanwhile: leave the page unchanged.
      if (!state.isPaused) show(fresh, answer.ok, isPage);
      // A slow page is fetched less often.
      const tookMs = performance.now() - askedAt;
      if (isPage) state.pageAfter = askedAt + Math.max(tookMs * 5, text.length / BYTES_PER_MS_MAX);
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
      // Keep the content of the page while the server only returns errors.
      if (newer && (isOk || element.id !== "main")) patch(element, newer);
    }
    if (isOk && isPage) document.title = fresh.title;
    if (isOk && refresh() !== "never") updated();
  }

  function soon() {
    clearTimeout(state.timer);
    state.timer = setTimeout(ask, POLL_INTERVAL_MS);
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

  // Written only when it changes, because screen readers read every change aloud.
  function say() {
    const mode = document.getElementById("live-mode");
    const isStill = refresh() === "never";
    const kind = state.isPaused ? "paused" : state.isLost ? "lost" : isStill ? "still" : state.hasFeed ? "live" : "polling";
    const words = {
      paused: "Paused", lost: "No connection: data may be outdated", still: "Not refreshed", live: "Live", polling: "Every second",
    }[kind];
    if (mode.textContent !== words) mode.textContent = words;
    document.getElementById("live").dataset.mode = kind;
  }

  function follow(feed) {
    if (!feed) return;
    const socket = new WebSocket(new URL(feed, location.href.replace(/^http/, "ws")));
    socket.onopen = () => {
      state.hasFeed = true;
      state.hasChanged = true; // the feed lacks earlier changes
      say();
    };
    socket.onmessage = () => {
      state.hasChanged = true;
    };
    socket.onclose = () => {
      state.hasFeed = false;
      say();
      setTimeout(() => follow(feed), FEED_RETRY_MS);
    };
  }

  // --- Bars of a chart ------------------------------------------------------------------------------------------------

  // A finger has no tooltip: its tap shows what the bar says, with the link to its stay.
  function tap(event) {
    const bar = event.target.closest?.("svg.timeline a");
    const place = document.getElementById("tapped");
    if (!bar || !place || event.pointerType !== "touch") return;
    event.preventDefault();
    const link = document.createElement("a");
    link.href = bar.getAttribute("href");
    link.textContent = "Open";
    place.replaceChildren(bar.querySelector("title").textContent, link);
  }
  document.addEventListener("click", tap);

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
