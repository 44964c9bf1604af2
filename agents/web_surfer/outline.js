// One walk over the composed tree that prints the page as lines. Writes nothing into the page:
// the numbers live in a WeakMap, so that a node keeps its number for as long as it lives.
const SILENT = new Set([
  'script', 'style', 'noscript', 'template', 'head', 'meta', 'link', 'title', 'base', 'param',
  'source', 'track', 'map',
]);
const OWN_PARTS = '[role=group],[role=tree],[role=treeitem],ul,ol,button,a,input,select,textarea';
const LEAF_TEXT = 300;
const VALUE_LENGTH = 2000;
const OPTIONS = 25;
const LONG_PAGE = 8; // screens; longer ones are shown near the viewport only
const MARGIN = 0.25;

const numbers = new WeakMap();
const nodes = new Map();
let nextNumber = 1;

function refOf(el) {
  let ref = numbers.get(el);
  if (!ref) {
    ref = nextNumber++;
    numbers.set(el, ref);
    nodes.set(ref, new WeakRef(el));
  }
  return ref;
}

function nodeOf(ref) {
  const el = nodes.get(ref) && nodes.get(ref).deref();
  return el && el.isConnected ? el : null;
}

// Gives an element the number it had before a restart.
function adopt(fresh, old) {
  const el = nodeOf(fresh);
  if (!el) return;
  numbers.set(el, old);
  nodes.set(old, new WeakRef(el));
}

// Near the viewport on a long page; with `everything` the whole; with `chosen` these parts of it.
function outline(from, everything, chosen = null) {
  nextNumber = from;
  const out = [];
  const skipped = { above: 0, below: 0 };
  const walk = { out, skipped, controls: new WeakMap(), everything, covers: chosen && within(chosen) };
  const context = rootContext();
  const root = document.body || document.documentElement;
  const tall = document.documentElement.scrollHeight > LONG_PAGE * innerHeight;
  if (tall && !everything) {
    context.range = [-MARGIN * innerHeight, (1 + MARGIN) * innerHeight];
  }
  const inner = root && lookInto(document.documentElement, context);
  const body = inner && lookInto(root, inner);
  if (body) visitChildren(root, body, 0, walk);
  return {
    lines: out, next: nextNumber, skipped, title: document.title, type: document.contentType,
    scroll: [Math.round(scrollY), innerHeight, document.documentElement.scrollHeight],
    long: tall && !everything,
  };
}

// The page in parts of some size, each with all the words in it; null for what cannot be told from
// outside, a shadow tree or a frame. What is looked for is compared elsewhere: a page could listen.
const CHUNK = 20000;
let parts = [];

function chunks() {
  parts = [];
  const said = [];
  const split = (el) => {
    const opaque = rootOf(el) || el.localName === 'iframe' || el.localName === 'slot';
    const whole = !opaque && el.textContent.length <= CHUNK && !hasOpaque(el);
    if (!opaque && !whole && el.childElementCount) { for (const child of el.children) split(child); return; }
    parts.push(el);
    said.push(opaque || !whole ? null : wordsIn(el));
  };
  split(document.body || document.documentElement);
  return said;
}

const hasOpaque = (el) => [...elementsBelow(el)].some((x) => rootOf(x) || x.localName === 'iframe');

function wordsIn(el) {
  const named = [el, ...el.querySelectorAll('input,textarea,select,[aria-label],[placeholder],[alt],[title]')];
  const values = named.map((x) => ['aria-label', 'placeholder', 'alt', 'title'].map((name) =>
    x.getAttribute(name) || '').concat(typeof x.value === 'string' ? x.value : '').join(' '));
  return [el.textContent, ...values].join(' ');
}

// A test for what lies in one of these parts, or around one.
function within(chosen) {
  const inside = new Set(chosen.map((number) => parts[number]));
  const around = new Set();
  for (const el of inside) for (let node = el; node; node = parentOf(node)) around.add(node);
  return (el) => {
    for (let node = el; node; node = parentOf(node)) {
      if (inside.has(node)) return true;
      if (node === el && around.has(node)) return true;
    }
    return false;
  };
}

function line(walk, depth, el, role, name, extra = '', text = '') {
  const ref = refOf(el);
  const head = `[${ref}] ${role}${name ? ' ' + quoted(name) : ''}`;
  const y = Math.round(el.getBoundingClientRect().top);
  walk.out.push({ d: depth, s: head + extra + text, y, refs: [[ref, role, name.slice(0, 80)]] });
}

function visitChildren(el, context, depth, walk) {
  const run = { text: '', owner: null, owners: 0 };
  gather(el, context, depth, walk, run);
  flush(run, depth, walk);
}

function flush(run, depth, walk) {
  const text = run.pre ? run.text.replace(/^\n+|\s+$/g, '') : tidy(run.text);
  const owner = run.owner;
  Object.assign(run, { text: '', owner: null, pre: false });
  if (text && owner) line(walk, depth, owner, 'text', text);
}

function addText(run, el, text) {
  if (!text.trim()) { if (run.text) run.text += ' '; return; }
  if (!run.owner) run.owner = el;
  else if (run.owner !== el && !holds(run.owner, el)) {
    while (!holds(run.owner, el)) run.owner = parentOf(run.owner);
  }
  if (styleOf(el).whiteSpace.startsWith('pre')) run.pre = true;
  run.text += text;
}

// Text and inline elements flow together into one line; everything else gets lines of its own.
function gather(el, context, depth, walk, run) {
  const folded = el.localName === 'details' && !el.open;
  for (const child of childrenOf(el)) {
    if (folded && child.localName !== 'summary') continue;
    if (child.nodeType === Node.TEXT_NODE) {
      if (!context.mute && showsText(el, context, child)) addText(run, el, child.data);
      continue;
    }
    if (child.nodeType !== Node.ELEMENT_NODE || SILENT.has(child.localName)) continue;
    if (child.localName === 'br') { run.text += run.pre ? '\n' : ' '; continue; }
    if (isFarAway(child, context, walk)) continue; // first: it is cheap, and long pages are mostly far
    if (walk.covers && !walk.covers(child)) continue;
    const inner = lookInto(child, context);
    if (!inner || child.localName === 'legend' && el.localName === 'fieldset') continue; // its name
    if (flowsInline(child, context, walk)) {
      const boxed = styleOf(child).display !== 'inline';
      if (boxed) run.text += ' ';
      gather(child, inner, depth, walk, run);
      if (boxed) run.text += ' ';
    } else {
      flush(run, depth, walk);
      visit(child, context, inner, depth, walk);
    }
  }
}

function isFarAway(el, context, walk) {
  if (!context.range) return false;
  const rect = el.getBoundingClientRect();
  if (!rect.height || el.scrollHeight > el.clientHeight + 1 && el.clientHeight) return false;
  const above = rect.bottom < context.range[0];
  if (!above && rect.top <= context.range[1]) return false;
  const controls = 'a[href],button,input,select,textarea,[role],[tabindex],[onclick]';
  walk.skipped[above ? 'above' : 'below'] += el.querySelectorAll(controls).length
    + (el.matches(controls) ? 1 : 0);
  return true;
}

function flowsInline(el, context, walk) {
  const display = styleOf(el).display;
  if (!display.startsWith('inline') && display !== 'contents') return false;
  if (['img', 'iframe', 'label', 'object', 'embed', 'progress', 'meter'].includes(el.localName)) return false;
  if (rootOf(el) || hasControl(el, context, walk)) return false;
  if (!context.delegated) return !Object.keys(el.dataset || {}).length || !el.textContent.trim();
  return false;
}

function hasControl(el, context, walk) {
  let known = walk.controls.get(el);
  if (known === undefined) {
    known = isInteractive(el, context) || controlsWithin(el, walk);
    walk.controls.set(el, known);
  }
  return known;
}

function controlsWithin(el, walk) {
  const inner = { pointer: styleOf(el).cursor === 'pointer' };
  for (const child of childrenOf(el)) {
    if (child.nodeType !== Node.ELEMENT_NODE || SILENT.has(child.localName)) continue;
    if (styleOf(child).display === 'none') continue;
    if (child.localName === 'iframe' || hasControl(child, inner, walk)) return true;
  }
  return false;
}

function visit(el, context, inner, depth, walk) {
  const tag = el.localName;
  if (tag === 'iframe' || tag === 'frame') { visitFrame(el, depth, walk); return; }
  if (tag === 'label' && el.control) { visitLabel(el, inner, depth, walk); return; }
  if (styleOf(el).visibility !== 'visible' && !el.childElementCount) return;
  if (tag === 'tr' || roleAttribute(el) === 'row') { visitRow(el, context, inner, depth, walk); return; }
  if (isInteractive(el, context) && styleOf(el).visibility === 'visible' && !isEmpty(el)) {
    visitControl(el, inner, depth, walk);
    return;
  }
  if (tag === 'img' || roleAttribute(el) === 'img') { visitImage(el, depth, walk); return; }
  if (/^h[1-6]$/.test(tag) && !controlsWithin(el, walk)) {
    const text = readableText(el, inner);
    if (text) line(walk, depth, el, roleOf(el), text);
    return;
  }
  if (tag === 'progress' || tag === 'meter' || roleAttribute(el) === 'progressbar') {
    const value = el.value ?? el.getAttribute('aria-valuenow') ?? '';
    line(walk, depth, el, 'progressbar', nameOf(el, ''), ` value="${value}"`);
    return;
  }
  visitGroup(el, inner, depth, walk);
}

function isShown(frame) {
  return frame.clientWidth >= 3 && frame.clientHeight >= 3 && styleOf(frame).visibility === 'visible'
    && Boolean(viewOf(frame));
}

// Nothing to press: a container that waits for its content.
function isEmpty(el) {
  const rect = el.getBoundingClientRect();
  return !isNative(el) && !(rect.width && rect.height) && !el.childElementCount;
}

function visitFrame(el, depth, walk) {
  if (!isShown(el)) return;
  line(walk, depth, el, 'frame', tidy(el.title || el.name || ''));
  walk.out[walk.out.length - 1].frame = refOf(el);
}

// A label says nothing new when its control is shown; it stands for a control that is not.
function visitLabel(el, inner, depth, walk) {
  const control = el.control;
  const style = styleOf(control);
  const shown = style.display !== 'none' && style.visibility === 'visible'
    && control.getBoundingClientRect().width > 0 && parseFloat(style.opacity) >= TRANSPARENT;
  if (shown || isDisguisedControl(control) && style.display !== 'none') {
    visitChildren(el, { ...inner, mute: true }, depth, walk);
    return;
  }
  line(walk, depth, el, roleOf(control), readableText(el, inner), stateText(statesOf(control)));
}

function visitImage(el, depth, walk) {
  const rect = el.getBoundingClientRect();
  if (rect.width <= 3 || rect.height <= 3) return;
  const name = nameOf(el, '');
  if (name) line(walk, depth, el, 'image', name);
  for (const area of areasOf(el)) {
    const said = nameOf(area, '');
    line(walk, depth + 1, area, 'link', said, linkText(area) + (said ? '' : hintText(area, '')));
  }
}

// The links of an image map belong to the picture that uses it.
function areasOf(el) {
  const name = el.useMap && el.useMap.replace(/^#/, '');
  const map = name && [...document.querySelectorAll('map')].find((m) => m.name === name || m.id === name);
  return map ? [...map.querySelectorAll('area')].filter((area) => area.href || isListening(area)) : [];
}

function stateText(states) {
  return states.length ? ` {${states.join(' ')}}` : '';
}

function visitControl(el, inner, depth, walk) {
  const role = roleOf(el);
  const field = ['input', 'select', 'textarea'].includes(el.localName);
  const nested = !field && (controlsWithin(el, walk) || isContainer(el, role));
  const text = field || role === 'editable' || nested ? '' : readableText(el, inner);
  const long = text.length > LEAF_TEXT || role === 'canvas';
  let name = nameOf(el, nested || long ? '' : text);
  if (nested && role !== 'clickable' && !name && !field) {
    name = ownText(el, inner) || readableText(el, inner, OWN_PARTS).slice(0, 80);
  }
  const states = statesOf(el);
  if (isCovered(el, inner, states)) states.push('covered');
  const shown = text && name !== text && !long && !name.includes(text) ? ` text=${quoted(text)}` : '';
  const extra = stateText(states) + valueText(el, role) + shown + rangeText(el)
    + scrollText(el) + linkText(el) + (name || nested || field && el.placeholder ? '' : hintText(el, text));
  if (role === 'clickable' && !name && nested && !ownText(el, inner) && !isListening(el)) {
    visitChildren(el, inner, depth, walk);
    return;
  }
  line(walk, depth, el, role, name, extra);
  if (field || (!nested && !long)) return;
  const quiet = { ...scrollRange(el, inner, walk), delegated: inner.delegated || isListening(el) };
  if (role !== 'editable') visitChildren(el, quiet, depth + 1, walk);
}

function isCovered(el, context, states) {
  if (states.includes('disabled') || isDisguisedControl(el) || !isInView(el, context.window)) return false;
  return aim(el).x === undefined;
}

// A list that listens for its rows must show the rows, or nobody could name one of them.
function isContainer(el, role) {
  if (GROUP_ROLES.has(role)) return el.childElementCount > 0;
  if (role !== 'clickable' && role !== 'draggable') return false;
  if (['table', 'tbody', 'ul', 'ol', 'dl'].includes(el.localName)) return true;
  const parts = [...childrenOf(el)].filter((child) => child.nodeType === Node.ELEMENT_NODE
    ? !SILENT.has(child.localName) && styleOf(child).display !== 'none'
    : child.nodeType === Node.TEXT_NODE && child.data.trim());
  if (parts.length === 1 && parts[0].nodeType === Node.ELEMENT_NODE) return isContainer(parts[0], role);
  const elements = parts.filter((part) => part.nodeType === Node.ELEMENT_NODE);
  return elements.length > 1
    && (isListening(el) || elements.some((b) => !styleOf(b).display.startsWith('inline')));
}

function ownText(el, inner) {
  const own = [...childrenOf(el)].filter((n) => n.nodeType === Node.TEXT_NODE
    && showsText(el, inner, n)).map((n) => n.data);
  return tidy(own.join(' ')).slice(0, LEAF_TEXT);
}

// In the viewport, and in the part of a scroll area (`window`) that shows.
function isInView(el, window = null) {
  const rect = el.getBoundingClientRect();
  const { top, bottom, left, right } = window || rect;
  const y = [Math.max(0, top, rect.top), Math.min(innerHeight, bottom, rect.bottom)];
  const x = [Math.max(0, left, rect.left), Math.min(innerWidth, right, rect.right)];
  return y[1] > y[0] && x[1] > x[0];
}

function cut(text) {
  const more = text.length - VALUE_LENGTH;
  return more > 0 ? `${quoted(text.slice(0, VALUE_LENGTH))} (+${more} characters)` : quoted(text);
}

function valueText(el, role) {
  if (el.localName === 'select') return optionsText(el);
  if (role === 'password') return ` value=masked(${el.value.length})`;
  if (role === 'file input') {
    return ` files=${quoted([...el.files].map((file) => file.name).join(', '))}`;
  }
  if (role === 'editable') return ` value=${cut(el.innerText)}`;
  const typed = el.localName === 'textarea'
    || (el.localName === 'input' && !['button', 'checkbox', 'radio'].includes(role));
  if (!typed) return '';
  const wish = el.placeholder ? ` placeholder=${quoted(el.placeholder)}` : '';
  const fault = el.matches(':user-invalid') ? ` problem=${quoted(el.validationMessage)}` : '';
  const offered = el.list ? [...el.list.options].slice(0, OPTIONS).map((o) => quoted(o.value)) : [];
  const help = offered.length ? ` suggestions=${offered.join(', ')}` : '';
  return ` value=${cut(el.value)}${el.value ? '' : wish}${fault}${help}`;
}

function optionsText(el) {
  const label = (option) => quoted(tidy(option.label || option.text)) + (option.selected ? '*' : '')
    + (option.disabled ? ' (disabled)' : '');
  const all = [...el.options].filter((option) => styleOf(option).display !== 'none');
  const shown = all.slice(0, OPTIONS);
  shown.push(...all.slice(OPTIONS).filter((option) => option.selected).slice(0, 3));
  const more = all.length - shown.length;
  return ` options=${shown.map(label).join(', ')}${more > 0 ? ` (+${more} more)` : ''}`;
}

function rangeText(el) {
  if (el.localName === 'input' && ['range', 'number', 'date', 'time'].includes(el.type)) {
    const parts = ['min', 'max', 'step'].filter((name) => el[name]).map((name) => `${name}=${el[name]}`);
    return parts.length ? ` (${parts.join(' ')})` : '';
  }
  const now = el.getAttribute('aria-valuenow');
  if (now === null) return el.localName === 'canvas' ? ` ${el.width}x${el.height}` : '';
  const [least, most] = ['min', 'max'].map((side) => el.getAttribute(`aria-value${side}`));
  return ` value="${now}" (min=${least} max=${most})`;
}

function linkText(link) {
  const href = targetOf(link);
  if (!href) return '';
  const el = new URL(href);
  const file = /\.(pdf|csv|tsv|xlsx?|docx?|pptx?|zip|json|xml|txt|gz)$/i.test(el.pathname);
  if (el.protocol === 'mailto:' || el.protocol === 'tel:') return ` url=${quoted(el.href.slice(0, 120))}`;
  if (!/^https?:$/.test(el.protocol) || (el.origin === location.origin && !file)) return '';
  return ` url=${quoted(el.href.slice(0, 120))}`;
}

// Where a link leads, also one that is drawn in SVG; '' for one that leads nowhere.
function targetOf(el) {
  if (el.localName !== 'a' && el.localName !== 'area') return '';
  const href = typeof el.href === 'string' ? el.href : el.href && el.href.baseVal;
  try { return href ? new URL(href, document.baseURI).href : ''; }
  catch { return ''; }
}

function hintText(el, text) {
  const hint = text ? '' : hintOf(el).slice(0, 60);
  return hint ? ` hint=${quoted(hint)}` : '';
}

// One line per row, with a number for each cell, unless a cell holds more than one thing.
function visitRow(el, context, inner, depth, walk) {
  const own = { ...walk, out: [] };
  const cells = [];
  for (const child of childrenOf(el)) {
    if (child.nodeType !== Node.ELEMENT_NODE || SILENT.has(child.localName)) continue;
    const look = lookInto(child, inner);
    if (!look) continue;
    const from = own.out.length;
    if (isInteractive(child, inner) || statesOf(child).length) visitControl(child, look, depth + 1, own);
    else visitChildren(child, look, depth + 1, own);
    if (own.out.length === from) line(own, depth + 1, child, 'text', '');
    cells.push(own.out.slice(from));
  }
  if (!cells.length) return;
  const handle = isInteractive(el, context) ? `[${refOf(el)}] row` : 'row';
  const y = Math.round(el.getBoundingClientRect().top);
  const refs = isInteractive(el, context) ? [[refOf(el), 'row', '']] : [];
  if (cells.some((lines) => lines.length > 1 || lines[0].frame)) {
    walk.out.push({ d: depth, s: handle, y, refs }, ...own.out);
    return;
  }
  const bare = (text) => text.replace(/^(\[\d+\]) text( |$)/, '$1 ').replace(/\] $/, '] ""');
  const s = `${handle}: ${cells.map(([cell]) => bare(cell.s)).join(' | ')}`;
  walk.out.push({ d: depth, s, y, refs: [...refs, ...cells.flatMap(([cell]) => cell.refs)] });
}

function visitGroup(el, inner, depth, walk) {
  const label = groupLabel(el);
  const context = scrollRange(el, inner, walk);
  context.delegated = context.delegated || isListening(el);
  const at = walk.out.length;
  visitChildren(el, context, label ? depth + 1 : depth, walk);
  if (label && walk.out.length > at) {
    const y = Math.round(el.getBoundingClientRect().top);
    walk.out.splice(at, 0, { d: depth, s: label.text, y, refs: label.refs });
  }
}

function isScrollable(el) {
  const style = styleOf(el);
  return el !== document.body && /auto|scroll/.test(style.overflowY)
    && el.scrollHeight > el.clientHeight + 4 && el.clientHeight > 20;
}

function groupLabel(el) {
  const explicit = roleAttribute(el);
  const heading = /^h[1-6]$/.test(el.localName) ? roleOf(el) : '';
  const role = GROUP_ROLES.has(explicit) ? explicit : GROUPS[el.localName] || heading;
  const name = tidy(labelledBy(el) || el.getAttribute('aria-label') || '')
    || (el.localName === 'fieldset' && legendOf(el));
  const title = name ? ' ' + quoted(name.slice(0, 80)) : '';
  if (isScrollable(el)) {
    const text = `[${refOf(el)}] ${role || 'scroll area'}${title}${scrollText(el)}`;
    return { text, refs: [[refOf(el), role || 'scroll area', name || '']] };
  }
  return role ? { text: `${role}${title}:`, refs: [] } : null;
}

function legendOf(el) {
  const legend = el.querySelector('legend');
  return legend ? shownOrShort(legend) : '';
}

function scrollText(el) {
  if (!isScrollable(el) || el.localName === 'textarea' || el.localName === 'select') return '';
  return ` {at ${Math.round(el.scrollTop)} of ${el.scrollHeight - el.clientHeight} px}`;
}

function scrollRange(el, inner, walk) {
  const context = { ...inner };
  if (walk.everything || !isScrollable(el)) return context;
  if (el.scrollHeight > LONG_PAGE * el.clientHeight) {
    const rect = el.getBoundingClientRect();
    context.range = [rect.top - MARGIN * rect.height, rect.bottom + MARGIN * rect.height];
  }
  return context;
}
