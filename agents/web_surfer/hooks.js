// Runs in every frame before the page's own scripts: notes who listens to the pointer, which short
// timers and fresh requests are pending, and the shadow roots that are closed. Changes no behaviour; `key` is a random
// name, known to the surfer only.
(key) => {
  if (window[key]) return;
  const POINTER = new Set([
    'click', 'dblclick', 'mousedown', 'mouseup', 'pointerdown', 'pointerup', 'touchstart',
    'touchend', 'contextmenu', 'mouseover', 'mouseenter', 'dragstart', 'drop', 'dragover',
  ]);
  const DELEGATES = 8; // a root that listens to so many kinds of events belongs to a framework
  const listens = new WeakMap();
  const closed = new WeakMap();
  const shadows = new Set(); // weak references, for watching; a document cannot be asked for them
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

  const attach = Element.prototype.attachShadow;
  Element.prototype.attachShadow = {
    attachShadow(options) {
      const root = attach.call(this, options);
      if (root.mode === 'closed') closed.set(this, root);
      shadows.add(new WeakRef(root));
      return root;
    },
  }.attachShadow;

  // Requests that have just begun: word of them reaches the surfer a little later.
  const begun = new Map();
  const FRESH = 300;
  const nativeFetch = window.fetch;
  window.fetch = {
    fetch(...given) {
      const answer = nativeFetch.apply(window, given);
      const token = {};
      begun.set(token, performance.now());
      const done = () => begun.delete(token);
      answer.then(done, done);
      return answer;
    },
  }.fetch;
  const nativeSend = XMLHttpRequest.prototype.send;
  XMLHttpRequest.prototype.send = {
    send(...given) {
      begun.set(this, performance.now());
      this.addEventListener('loadend', () => begun.delete(this), { once: true });
      return nativeSend.apply(this, given);
    },
  }.send;

  let opened = 0;
  const open = window.open;
  window.open = {
    open(...given) {
      opened += 1;
      return open.apply(window, given);
    },
  }.open;

  // Everything whose changes a person may see: the document and each shadow root in it.
  function observe(observer) {
    const kinds = { subtree: true, childList: true, attributes: true, characterData: true };
    observer.observe(document, kinds);
    for (const weak of shadows) {
      const root = weak.deref();
      if (root && root.isConnected) observer.observe(root, kinds);
      else if (!root) shadows.delete(weak);
    }
  }

  // A movement that ends soon is waited for: a press would miss what still moves.
  const isMoving = (soon) => document.getAnimations().some((animation) => {
    const time = animation.effect && animation.effect.getComputedTiming();
    return animation.playState === 'running' && time && time.endTime - (animation.currentTime || 0) < soon;
  });

  // Resolves when nothing changed for `quiet` ms and no timer that was set right
  // after the action is due within `soon` ms, and nothing moves; at the latest after `cap` ms.
  function settled(quiet, soon, cap) {
    return new Promise((resolve) => {
      const start = performance.now();
      let last = start;
      const observer = new MutationObserver(() => { last = performance.now(); });
      observe(observer);
      const check = () => {
        const now = performance.now();
        const waiting = [...timers.values()].some(
          (t) => t.created <= start + 50 && t.due <= start + soon && t.due > now - quiet);
        const asking = [...begun.values()].some((since) => now - since < FRESH);
        const calm = now - last >= quiet && !waiting && !asking && !isMoving(soon);
        if (!calm && now - start < cap) { nativeTimeout(check, 20); return; }
        observer.disconnect();
        resolve(calm);
      };
      check();
    });
  }

  const state = {
    settled,
    observe,
    opened: () => opened,
    rootOf: (el) => el.shadowRoot || closed.get(el) || null,
    isListening: (node) => {
      const kinds = listens.get(node);
      return Boolean(kinds) && kinds.size < DELEGATES;
    },
  };
  Object.defineProperty(window, key, { value: state, enumerable: false });
}
