// What can be seen: the composed tree, hidden subtrees, hidden text, hit tests.
const TRANSPARENT = 0.05;
const styles = new WeakMap();

function styleOf(el) {
  let style = styles.get(el);
  if (!style) { style = getComputedStyle(el); styles.set(el, style); }
  return style;
}

function childrenOf(el) {
  if (el.shadowRoot) return el.shadowRoot.childNodes;
  if (el.localName === 'slot') {
    const assigned = el.assignedNodes({ flatten: true });
    if (assigned.length) return assigned;
  }
  return el.childNodes;
}

function parentOf(node) {
  const parent = node.assignedSlot || node.parentNode;
  return parent instanceof ShadowRoot ? parent.host : parent;
}

function holds(outer, inner) {
  for (let node = inner; node; node = parentOf(node)) if (node === outer) return true;
  return false;
}

function colour(text) {
  const parts = text.match(/[\d.]+/g);
  if (!parts || !text.startsWith('rgb')) return null;
  const [r, g, b, a = 1] = parts.map(Number);
  return { r, g, b, a };
}

function nearlySame(a, b) {
  return Math.max(Math.abs(a.r - b.r), Math.abs(a.g - b.g), Math.abs(a.b - b.b)) < 10;
}

function isDisguisedControl(el) {
  // A box or file input is often made invisible and drawn by its label.
  return el.localName === 'input' && ['checkbox', 'radio', 'file'].includes(el.type);
}

function rootContext() {
  return {
    backdrop: { r: 255, g: 255, b: 255, a: 1 }, clip: null, clipPositioned: false,
    pointer: false, delegated: false, mute: false, range: null,
  };
}

// The context for the children of `el`, or null when the whole subtree is out of sight.
function lookInto(el, context) {
  const style = styleOf(el);
  if (style.display === 'none' || style.contentVisibility === 'hidden') return null;
  const inner = { ...context };
  if (style.display !== 'contents') {
    if (!isDisguisedControl(el) && isVanished(el, style)) return null;
    const rect = el.getBoundingClientRect();
    if (isOutOfReach(el, style, rect)) return null;
    if (isClippedAway(style, rect, inner)) return null;
  }
  const back = colour(style.backgroundColor);
  if (style.backgroundImage !== 'none') inner.backdrop = null;
  else if (back && back.a > 0.5) inner.backdrop = back;
  inner.pointer = style.cursor === 'pointer';
  return inner;
}

function isVanished(el, style) {
  if (parseFloat(style.opacity) < TRANSPARENT) return true;
  if (/^rect\((0|1)px,? (0|1)px,? (0|1)px,? (0|1)px\)$/.test(style.clip)) return true;
  if (/^inset\((50|100)%/.test(style.clipPath)) return true;
  return /^(matrix\(0, |scale\(0)/.test(style.transform) || style.scale === '0';
}

function isOutOfReach(el, style, rect) {
  const hides = style.overflowX !== 'visible' || style.overflowY !== 'visible';
  if (hides && (rect.width <= 1 || rect.height <= 1) && el !== document.body
      && el !== document.documentElement) return true;
  if (rect.width === 0 && rect.height === 0) return false; // children may still be placed elsewhere
  if (rect.right + scrollX <= 0 || rect.bottom + scrollY <= 0) return true;
  const wide = Math.max(innerWidth, document.documentElement.scrollWidth - scrollX);
  if (rect.left >= wide) return true;
  return style.position === 'fixed' && (rect.top >= innerHeight || rect.left >= innerWidth);
}

function isClippedAway(style, rect, inner) {
  if (style.position === 'fixed') inner.clip = null;
  if (style.position === 'absolute' && inner.clip && !inner.clipPositioned) inner.clip = null;
  const clip = inner.clip;
  if (clip && (rect.width || rect.height)
      && (rect.right <= clip.left || rect.left >= clip.right
        || rect.bottom <= clip.top || rect.top >= clip.bottom)) return true;
  const hides = [style.overflowX, style.overflowY].some((o) => o === 'hidden' || o === 'clip');
  const scrolls = [style.overflowX, style.overflowY].some((o) => o === 'auto' || o === 'scroll');
  if (scrolls) inner.clip = null; // what is outside can be scrolled to
  else if (hides && rect.width) {
    inner.clip = rect;
    inner.clipPositioned = style.position !== 'static';
  }
  return false;
}

// Can text that stands directly in `el` be read by a person?
function showsText(el, context) {
  const style = styleOf(el);
  if (style.visibility !== 'visible' || parseFloat(style.fontSize) < 2) return false;
  if (parseFloat(style.textIndent) < -500) return false;
  const ink = colour(style.webkitTextFillColor) || colour(style.color);
  if (!ink) return true;
  const clipped = style.backgroundClip === 'text' || style.webkitBackgroundClip === 'text';
  if (ink.a < TRANSPARENT) return clipped || style.textShadow !== 'none';
  if (!context.backdrop || !nearlySame(ink, context.backdrop)) return true;
  return style.textShadow !== 'none' || standsOnSomethingElse(el, ink);
}

// Text of its ancestors' colour is still readable when it lies over a picture or another box.
function standsOnSomethingElse(el, ink) {
  const rect = el.getBoundingClientRect();
  const stack = document.elementsFromPoint(rect.left + rect.width / 2, rect.top + rect.height / 2);
  for (const below of stack.slice(stack.indexOf(el) + 1)) {
    if (['img', 'video', 'canvas', 'svg'].includes(below.localName)) return true;
    const style = styleOf(below);
    if (style.backgroundImage !== 'none') return true;
    const back = colour(style.backgroundColor);
    if (back && back.a > 0.5) return !nearlySame(ink, back);
  }
  return false;
}

function deepestAt(x, y) {
  let found = document.elementFromPoint(x, y);
  while (found && found.shadowRoot) {
    const inner = found.shadowRoot.elementFromPoint(x, y);
    if (!inner || inner === found) break;
    found = inner;
  }
  return found;
}

const SPOTS = [
  [0.5, 0.5], [0.25, 0.5], [0.75, 0.5], [0.5, 0.25], [0.5, 0.75], [0.1, 0.5], [0.9, 0.5],
  [0.25, 0.25], [0.75, 0.75], [0.75, 0.25], [0.25, 0.75], [0.03, 0.1], [0.97, 0.9],
];

// A point where `el` itself would receive a click, or what stands in the way at its centre.
function aim(el) {
  let cover = null;
  for (const rect of [...el.getClientRects()].slice(0, 4)) {
    const left = Math.max(rect.left, 0), right = Math.min(rect.right, innerWidth);
    const top = Math.max(rect.top, 0), bottom = Math.min(rect.bottom, innerHeight);
    if (right - left < 1 || bottom - top < 1) continue;
    for (const [fx, fy] of SPOTS) {
      const x = left + (right - left) * fx, y = top + (bottom - top) * fy;
      const hit = deepestAt(x, y);
      if (hit && holds(el, hit)) return { x, y };
      cover = cover || hit;
    }
  }
  return { cover };
}
