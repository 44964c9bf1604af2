// Runs in every frame before the page's own scripts: notes who listens to the pointer and which
// short timers are pending. Changes no behaviour; `key` is a random name, known to the surfer only.
(key) => {
  if (window[key]) return;
  const POINTER = new Set([
    'click', 'dblclick', 'mousedown', 'mouseup', 'pointerdown', 'pointerup', 'touchstart',
    'touchend', 'contextmenu', 'mouseover', 'mouseenter', 'dragstart', 'drop', 'dragover',
  ]);
  const DELEGATES = 8; // a root that listens to so many kinds of events belongs to a framework
  const listens = new WeakMap();
  const timers = new Map();
  const nativeTimeout = window.setTimeout.bind(window);
  const nativeClear = window.clearTimeout.bind(window);

  const add = EventTarget.prototype.addEventListener;
  EventTarget.prototype.addEventListener = {
    addEventListener(type, listener, options) {
      if (listener && POINTER.has(type) && this instanceof Node) {
        const kinds = listens.get(this) || new Set();
        listens.set(this, kinds.add(type));
      }
      return add.call(this, type, listener, options);
    },
  }.addEventListener;

  window.setTimeout = {
    setTimeout(callback, delay, ...rest) {
      if (typeof callback !== 'function') return nativeTimeout(callback, delay, ...rest);
      const id = nativeTimeout((...given) => {
        timers.delete(id);
        callback.apply(window, given);
      }, delay, ...rest);
      const now = performance.now();
      timers.set(id, { created: now, due: now + (Number(delay) || 0) });
      return id;
    },
  }.setTimeout;
  window.clearTimeout = {
    clearTimeout(id) {
      timers.delete(id);
      return nativeClear(id);
    },
  }.clearTimeout;

  // Resolves when the document did not change for `quiet` ms and no timer that was set right
  // after the action is due within `soon` ms; at the latest after `cap` ms.
  function settled(quiet, soon, cap) {
    return new Promise((resolve) => {
      const start = performance.now();
      let last = start;
      const observer = new MutationObserver(() => { last = performance.now(); });
      observer.observe(document, {
        subtree: true, childList: true, attributes: true, characterData: true,
      });
      const check = () => {
        const now = performance.now();
        const waiting = [...timers.values()].some(
          (t) => t.created <= start + 50 && t.due <= start + soon && t.due > now - quiet);
        const calm = now - last >= quiet && !waiting;
        if (!calm && now - start < cap) { nativeTimeout(check, 20); return; }
        observer.disconnect();
        resolve(calm);
      };
      check();
    });
  }

  const state = {
    settled,
    isListening: (node) => {
      const kinds = listens.get(node);
      return Boolean(kinds) && kinds.size < DELEGATES;
    },
  };
  Object.defineProperty(window, key, { value: state, enumerable: false });
}
