// Where to press, what stands in the way, and small facts about one element.
function describe(el) {
  for (let node = el; node && node.nodeType === Node.ELEMENT_NODE; node = parentOf(node)) {
    const role = roleAttribute(node) || node.localName;
    const context = viewOf(node);
    const name = labelledBy(node) || tidy(node.getAttribute('aria-label') || '')
      || (context ? readableText(node, context) : '');
    if (name || node === document.body) return `${role} ${quoted(name.slice(0, 80))}`;
  }
  return 'something without a name';
}

function aimAt(el) {
  if (!el.isConnected) return { gone: true };
  const target = el.nodeType === Node.ELEMENT_NODE ? el : parentOf(el);
  if (isDisabled(target)) return { disabled: true };
  const candidates = [target];
  if (isDisguisedControl(target)) candidates.push(...(target.labels || []));
  let cover = null;
  for (const candidate of candidates) {
    if (!rectsOf(candidate).length) continue;
    candidate.scrollIntoView({ block: 'nearest', inline: 'nearest', behavior: 'instant' });
    let spot = aim(candidate);
    if (spot.x === undefined) {
      candidate.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' });
      spot = aim(candidate);
    }
    const rect = candidate.getBoundingClientRect();
    if (spot.x !== undefined) return { x: spot.x, y: spot.y, left: rect.left, top: rect.top };
    cover = cover || spot.cover;
  }
  return { cover: cover ? describe(cover) : null };
}

function isAt(el, x, y) {
  const hit = deepestAt(x, y);
  return Boolean(hit) && holds(el, hit) ? null : describe(hit || document.body);
}

function boxOf(el) {
  const rect = el.getBoundingClientRect();
  return { x: rect.left, y: rect.top, width: rect.width, height: rect.height };
}

function kindOf(el) {
  return {
    role: roleOf(el), tag: el.localName, type: el.type || '', editable: el.isContentEditable,
    value: 'value' in el ? String(el.value) : '', field: ['input', 'textarea'].includes(el.localName), readonly: Boolean(el.readOnly),
    steps: el.localName !== 'input' && ['slider', 'spinbutton'].includes(roleAttribute(el))
      && el.hasAttribute('aria-valuenow') && !el.isContentEditable,
  };
}

const steppedValue = (el) => el.getAttribute('aria-valuenow');

// Whether keys go into something that holds text, in whichever shadow tree it stands.
function isWriting() {
  let el = document.activeElement;
  while (el && rootOf(el) && rootOf(el).activeElement) el = rootOf(el).activeElement;
  return Boolean(el) && (el.isContentEditable || ['input', 'textarea'].includes(el.localName));
}

// A drag that begins on selected words would drag these.
function dropSelection() {
  if (!isWriting()) getSelection().removeAllRanges();
}

function bringIntoView(el) {
  el.scrollIntoView({ block: 'nearest', inline: 'nearest', behavior: 'instant' });
}

// A point of a frame's document as a point of the document around the frame, scrolled into view,
// and what lies over it there.
function bringPointIntoView(frame, x, y) {
  const place = () => {
    const rect = frame.getBoundingClientRect();
    return { x: rect.left + frame.clientLeft + x, y: rect.top + frame.clientTop + y };
  };
  const { x: left, y: top } = place();
  if (left < 0 || top < 0 || left >= innerWidth || top >= innerHeight) {
    scrollBy({ left: left - innerWidth / 2, top: top - innerHeight / 2, behavior: 'instant' });
  }
  const at = place();
  return { ...at, cover: isAt(frame, at.x, at.y) };
}

// Drops a file where the page takes dropped files; false where it does not.
function dropFile(el, name, base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name));
  const send = (type) => el.dispatchEvent(new DragEvent(type, {
    bubbles: true, composed: true, cancelable: true, dataTransfer: transfer,
  }));
  send('dragenter');
  if (send('dragover')) { send('dragleave'); return false; }
  send('drop');
  return true;
}

function scrollOne(el, dx, dy, edge) {
  const box = el || mainScroller();
  if (edge === 'top') box.scrollTop = 0;
  else if (edge === 'bottom') box.scrollTop = box.scrollHeight;
  else box.scrollBy({ left: dx * box.clientWidth, top: dy * box.clientHeight, behavior: 'instant' });
}

function mainScroller() {
  const page = document.scrollingElement || document.documentElement;
  if (page.scrollHeight > page.clientHeight + 4) return page;
  let best = page, most = 0;
  for (const el of elementsBelow(document.body)) {
    if (!isScrollable(el)) continue;
    const rect = el.getBoundingClientRect();
    if (rect.width * rect.height > most) { best = el; most = rect.width * rect.height; }
  }
  return best;
}

function localItems() {
  try { return Object.entries(localStorage).map(([name, value]) => ({ name, value })); }
  catch { return []; } // a sandboxed or opaque document has none
}

function sessionItems() {
  try { return Object.entries(sessionStorage); }
  catch { return []; }
}

// Numbers drawn over the controls for a picture; the returned function takes them away again.
function mark(refs) {
  const host = document.createElement('div');
  host.style.cssText = 'all:initial;position:fixed;inset:0;z-index:2147483647;pointer-events:none';
  const root = host.attachShadow({ mode: 'closed' });
  for (const ref of refs) {
    const el = nodeOf(ref);
    const rect = el && isInView(el) && el.getBoundingClientRect();
    if (!rect || !rect.width) continue;
    const box = document.createElement('div');
    box.style.cssText = `position:fixed;left:${rect.left}px;top:${rect.top}px;width:${rect.width}px;`
      + `height:${rect.height}px;outline:2px solid #d00`;
    const tag = document.createElement('span');
    tag.textContent = ref;
    tag.style.cssText = 'background:#d00;color:#fff;font:bold 11px sans-serif;padding:0 2px';
    box.append(tag);
    root.append(box);
  }
  document.documentElement.append(host);
  return () => host.remove();
}
