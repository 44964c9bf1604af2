// What can be seen: the composed tree, hidden subtrees, hidden text, hit tests.
const TRANSPARENT = 0.05;
const styles = new WeakMap();

function styleOf(el) {
  let style = styles.get(el);
  if (!style) { style = getComputedStyle(el); styles.set(el, style); }
  return style;
}

const rootOf = (el) => hooks.rootOf(el);

function childrenOf(el) {
  const shadow = rootOf(el);
  if (shadow) return shadow.childNodes;
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

// All elements of the composed tree below a root, shadow trees included.
function* elementsBelow(root) {
  for (const child of root.children) {
    yield child;
    const shadow = rootOf(child);
    if (shadow) yield* elementsBelow(shadow);
    yield* elementsBelow(child);
  }
}

// The nearest ancestor (or the element itself) that a selector names, out of shadow trees too.
function nearest(el, selector) {
  for (let node = el; node; node = parentOf(node)) {
    if (node.nodeType === Node.ELEMENT_NODE && node.matches(selector)) return node;
  }
  return null;
}

const colours = new Map();

function colour(text) {
  if (!text || text.startsWith('rgb')) return plainColour(text || '');
  if (!colours.has(text)) colours.set(text, paintedColour(text));
  return colours.get(text);
}

// oklch(), color() and their like: paint one pixel and read it back.
function paintedColour(text) {
  const pen = new OffscreenCanvas(1, 1).getContext('2d');
  pen.fillStyle = text;
  pen.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
  return { r, g, b, a: a / 255 };
}

function plainColour(text) {
  const parts = text.match(/[\d.]+/g);
  if (!parts || !text.startsWith('rgb')) return null;
  const [r, g, b, a = 1] = parts.map(Number);
  return { r, g, b, a };
}

function nearlySame(a, b) {
  return Math.max(Math.abs(a.r - b.r), Math.abs(a.g - b.g), Math.abs(a.b - b.b)) < 16;
}

function isDisguisedControl(el) {
  // A box or file input is often made invisible and drawn by its label.
  return el.localName === 'input' && ['checkbox', 'radio', 'file'].includes(el.type);
}

function rootContext() {
  const scheme = getComputedStyle(document.documentElement).colorScheme;
  const shade = scheme.includes('dark') && !scheme.includes('light') ? 18 : 255;
  return {
    backdrop: { r: shade, g: shade, b: shade, a: 1 }, clip: null, clipPositioned: false, window: null,
    opacity: 1, buried: false, pointer: false, delegated: false, mute: false, range: null,
  };
}

// The context in which the children of `el` stand, or null when it is out of sight.
function viewOf(el) {
  const above = parentOf(el);
  const outer = above && above.nodeType === Node.ELEMENT_NODE ? viewOf(above) : rootContext();
  return outer && lookInto(el, outer);
}

// The context for the children of `el`, or null when the whole subtree is out of sight.
function lookInto(el, context) {
  const style = styleOf(el);
  if (style.display === 'none' || style.contentVisibility === 'hidden') return null;
  const inner = { ...context };
  if (style.display !== 'contents') {
    const rect = el.getBoundingClientRect();
    if (!isDisguisedControl(el)) {
      inner.opacity *= parseFloat(style.opacity);
      if (inner.opacity < TRANSPARENT || isVanished(el, style, rect)) return null;
    }
    if (parseInt(style.zIndex, 10) < 0) inner.buried = true;
    if (isOutOfReach(el, style, rect)) return null;
    if (isClippedAway(style, rect, inner)) return null;
  }
  const back = colour(style.backgroundColor);
  if (style.backgroundImage !== 'none') inner.backdrop = plainGradient(style.backgroundImage);
  else if (back && back.a > 0.5) inner.backdrop = back;
  inner.pointer = style.cursor === 'pointer';
  return inner;
}

const coloursIn = (image) => (image.match(/(rgba?|oklch|oklab|lab|lch|color|hsla?)\([^)]*\)/g) || []).map(colour);

// The one colour of a gradient that is none, or null for a picture that text can stand on.
function plainGradient(image) {
  if (!/^(repeating-)?(linear|radial|conic)-gradient/.test(image)) return null;
  const [first, ...rest] = coloursIn(image);
  return first && first.a > 0.5 && rest.every((other) => nearlySame(first, other)) ? first : null;
}

function isVanished(el, style, rect) {
  if (/^rect\((0|1)px,? (0|1)px,? (0|1)px,? (0|1)px\)$/.test(style.clip)) return true;
  if (isCutToNothing(style.clipPath)) return true;
  if (/opacity\((0|0?\.0\d*|[0-4](\.\d+)?%)\)/.test(style.filter)) return true;
  const mask = style.maskImage || 'none';
  if (mask.includes('gradient') && coloursIn(mask).every((c) => c.a < TRANSPARENT)) return true;
  const turned = style.transform !== 'none' || style.scale !== 'none' || style.rotate !== 'none';
  return turned && el.offsetWidth > 2 && el.offsetHeight > 2 && (rect.width < 2 || rect.height < 2);
}

function isCutToNothing(path) {
  if (/^(circle|ellipse)\(0(px|%)?( 0(px|%)?)?( |\))/.test(path)) return true;
  const sides = /^inset\(([^)r]+)/.exec(path);
  if (sides) {
    const [top, right = top, bottom = top, left = right] = sides[1].trim().split(/\s+/).map((side) =>
      (side.endsWith('%') ? parseFloat(side) : 0));
    return top + bottom >= 100 || left + right >= 100;
  }
  const corners = /^polygon\((.+)\)$/.exec(path);
  return Boolean(corners) && new Set(corners[1].split(',').map((corner) => corner.trim())).size < 3;
}

function isOutOfReach(el, style, rect) {
  const hides = style.overflowX !== 'visible' || style.overflowY !== 'visible';
  if (hides && (rect.width <= 1 || rect.height <= 1) && el !== document.body
      && el !== document.documentElement) return true;
  if (rect.width === 0 && rect.height === 0) return false; // children may still be placed elsewhere
  if (rect.right + scrollX <= leftEdge() || rect.bottom + scrollY <= 0) return true;
  const wide = Math.max(innerWidth, document.documentElement.scrollWidth - scrollX);
  if (rect.left >= wide) return true;
  return style.position === 'fixed' && (rect.top >= innerHeight || rect.left >= innerWidth);
}

// How far left one can scroll: a page that is written from right to left goes on there.
function leftEdge() {
  const page = document.documentElement;
  return styleOf(page).direction === 'rtl' ? Math.min(0, innerWidth - page.scrollWidth) : 0;
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
  if (scrolls) { inner.clip = null; inner.window = rect; } // what is outside can be scrolled to
  else if (hides && rect.width) {
    inner.clip = rect;
    inner.clipPositioned = style.position !== 'static';
  }
  return false;
}

// Can this text, which stands directly in `el`, be read by a person?
function showsText(el, context, text) {
  const style = styleOf(el);
  if (style.visibility !== 'visible' || parseFloat(style.fontSize) < 2) return false;
  if (text.data.trim() && !isPlaced(el, text, context)) return false;
  const ink = colour(style.webkitTextFillColor) || colour(style.color);
  if (!ink) return true;
  const clipped = style.backgroundClip === 'text' || style.webkitBackgroundClip === 'text';
  if (ink.a < TRANSPARENT) return clipped || style.textShadow !== 'none';
  if (!context.backdrop || !nearlySame(ink, context.backdrop)) return true;
  return style.textShadow !== 'none' || standsOnSomethingElse(el, ink);
}

// Text that was laid out nowhere, tiny, off the page, outside of what clips it, or under its ground.
function isPlaced(el, text, context) {
  const range = document.createRange();
  range.selectNodeContents(text);
  const rect = range.getBoundingClientRect();
  if (rect.width < 1 || rect.height < 2) return false;
  if (rect.right + scrollX <= leftEdge() || rect.bottom + scrollY <= 0) return false;
  const clip = context.clip;
  if (clip && (rect.right <= clip.left || rect.left >= clip.right
    || rect.bottom <= clip.top || rect.top >= clip.bottom)) return false;
  return !context.buried || !isUnderGround(el, rect);
}

function isUnderGround(el, rect) {
  return othersAt(el, rect).above.some((other) => {
    const back = colour(styleOf(other).backgroundColor);
    return other.localName === 'img' || (back && back.a > 0.9);
  });
}

// What else is drawn at the middle of `rect`: above and below `el` where that can be tested, or all
// that lies around it where it cannot, since the place is outside of the viewport.
function othersAt(el, rect) {
  const x = rect.left + rect.width / 2, y = rect.top + rect.height / 2;
  const stack = document.elementsFromPoint(x, y);
  if (!stack.length) { const near = neighboursAt(el, x, y); return { above: near, below: near }; }
  const at = stack.findIndex((hit) => holds(hit, el) || holds(el, hit));
  const others = at < 0 ? stack : stack.slice(0, at);
  return { above: others.filter((hit) => !holds(hit, el)), below: stack.slice(at + 1) };
}

function neighboursAt(el, x, y) {
  const found = [];
  for (let node = el, level = 0; node && level < 5; node = parentOf(node), level += 1) {
    const all = node.parentElement ? [...node.parentElement.children] : [];
    const at = all.indexOf(node);
    const siblings = all.slice(Math.max(0, at - 8), at + 9);
    for (const other of siblings.flatMap((s) => [s, ...[...s.children].slice(0, 5)])) {
      const box = other.getBoundingClientRect();
      const inside = x >= box.left && x < box.right && y >= box.top && y < box.bottom;
      if (inside && !holds(other, el)) found.push(other);
    }
  }
  return found;
}

// Text of its ancestors' colour is still readable when it lies over a picture or another box.
function standsOnSomethingElse(el, ink) {
  for (const below of othersAt(el, el.getBoundingClientRect()).below) {
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
  while (found && rootOf(found)) {
    const inner = rootOf(found).elementFromPoint(x, y);
    if (!inner || inner === found) break;
    found = inner;
  }
  return found;
}

const SPOTS = [
  [0.5, 0.5], [0.25, 0.5], [0.75, 0.5], [0.5, 0.25], [0.5, 0.75], [0.1, 0.5], [0.9, 0.5],
  [0.25, 0.25], [0.75, 0.75], [0.75, 0.25], [0.25, 0.75], [0.03, 0.1], [0.97, 0.9],
];

// The picture that an image map's area belongs to, in whose coordinates the area is given.
function pictureOf(area) {
  const map = area.closest('map');
  const names = map ? [`#${map.name}`, `#${map.id}`] : [];
  return [...document.querySelectorAll('img[usemap]')].find((img) => names.includes(img.useMap)) || null;
}

function rectsOf(el) {
  const picture = el.localName === 'area' ? pictureOf(el) : null;
  if (!picture) return [...el.getClientRects()].slice(0, 4);
  const box = picture.getBoundingClientRect();
  const given = el.coords.split(',').map(Number);
  if (el.shape === 'default' || given.length < 3) return [box];
  const [x, y, r] = given;
  const xs = el.shape === 'circle' ? [x - r, x + r] : given.filter((_, n) => n % 2 === 0);
  const ys = el.shape === 'circle' ? [y - r, y + r] : given.filter((_, n) => n % 2 === 1);
  const left = Math.min(...xs), top = Math.min(...ys);
  return [new DOMRect(box.left + left, box.top + top, Math.max(...xs) - left, Math.max(...ys) - top)];
}

// A point where `el` itself would receive a click, or what stands in the way at its centre.
function aim(el) {
  let cover = null;
  const target = el.localName === 'area' ? pictureOf(el) || el : el;
  for (const rect of rectsOf(el)) {
    const left = Math.max(rect.left, 0), right = Math.min(rect.right, innerWidth);
    const top = Math.max(rect.top, 0), bottom = Math.min(rect.bottom, innerHeight);
    if (right - left < 1 || bottom - top < 1) continue;
    for (const [fx, fy] of SPOTS) {
      const x = left + (right - left) * fx, y = top + (bottom - top) * fy;
      const hit = deepestAt(x, y);
      if (hit && (holds(target, hit) || hit === el)) return { x, y };
      cover = cover || hit;
    }
  }
  return { cover };
}
