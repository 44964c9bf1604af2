// What an act on an element is about to do, in facts of the page as it is now: for asking approval.
const ACTED_ON = 'button,a,area,input,label,summary,select,option,[role=button],[role=link],'
  + '[role=menuitem],[role=menuitemcheckbox],[role=option],[role=switch],[role=checkbox],[role=tab],'
  + '[onclick]';
const SCRIPT_ATTRIBUTES = ['onclick', 'onmousedown', 'onpointerdown', 'data-href', 'data-url',
  'data-action', 'hx-delete', 'hx-post', 'hx-put', 'hx-get'];
const AROUND = 'dialog,[role=dialog],form,fieldset,section,article,li,tr,p,div';
const short = (text, length = 200) => tidy(String(text || '')).slice(0, length);

// The element that receives the act: the nearest control around `el`, across shadow roots.
function actedOn(el) {
  const start = el.nodeType === Node.ELEMENT_NODE ? el : parentOf(el);
  for (let node = start; node && node.nodeType === Node.ELEMENT_NODE; node = parentOf(node)) {
    if (node.matches(ACTED_ON) || isListening(node)) return node;
  }
  return start;
}

function intent(el) {
  const target = actedOn(el);
  const control = target.localName === 'label' && target.control ? target.control : target;
  const form = control.form || outward(target, (node) => node.localName === 'form');
  const submits = Boolean(form) && isSubmitter(control) && sends(form);
  const link = outward(target, (node) => /^a(rea)?$/.test(node.localName) && node.href);
  return {
    names: namesOf(target, control), role: roleOf(control), submits,
    saves: Boolean(link && link.hasAttribute('download')), href: link ? targetOf(link) : '',
    verb: short(target.getAttribute('data-method') || (link && link.getAttribute('data-method')), 10),
    script: short(SCRIPT_ATTRIBUTES.map((name) => target.getAttribute(name) || '').join(' '), 300),
    form: form ? describeForm(form, submits ? control : null) : looseFields(),
    context: contextOf(target),
  };
}

function intentAt(x, y) {
  const el = deepestAt(x, y);
  return el ? intent(el) : null;
}

// What a key is about to do to the element that has the focus in this frame, or null if none has.
function focusIntent(enter) {
  let el = document.activeElement;
  while (el && rootOf(el) && rootOf(el).activeElement) el = rootOf(el).activeElement;
  if (!el || el === document.body || el.localName === 'iframe') return null;
  const found = intent(el);
  if (el.localName !== 'input' || !el.form || !enter) {
    return { ...found, pressed: el.localName !== 'textarea' && !el.isContentEditable };
  }
  // Enter in a field submits by way of the form's first button.
  const button = [...el.form.elements].find(isSubmitter);
  const by = button ? intent(button) : found;
  return { ...by, form: describeForm(el.form, button || null), submits: true, pressed: true };
}

// A form of a dialog closes it and sends nothing.
function sends(form) {
  return HTMLFormElement.prototype.getAttribute.call(form, 'method') !== 'dialog';
}

function outward(el, fits) {
  for (let node = el; node && node.nodeType === Node.ELEMENT_NODE; node = parentOf(node)) {
    if (fits(node)) return node;
  }
  return null;
}

// Everything that the element calls itself, to a reader, a listener or a program.
function namesOf(target, control) {
  const names = new Set();
  const add = (text) => { if (short(text)) names.add(short(text)); };
  for (const el of new Set([target, control])) {
    add(readableText(el, rootContext()));
    add(el.textContent);
    add(labelledBy(el));
    for (const name of ['aria-label', 'title', 'alt', 'aria-description']) add(el.getAttribute(name));
    if (['submit', 'button', 'image', 'reset'].includes(el.type)) add(el.value);
    if (el.labels) for (const label of el.labels) add(label.textContent);
    for (const part of el.querySelectorAll('img[alt],[aria-label],[title],svg title')) {
      add(part.getAttribute('alt') || part.getAttribute('aria-label') || part.getAttribute('title')
        || part.textContent);
    }
  }
  if (!names.size || (names.size === 1 && [...names][0].length < 2)) add(hintOf(control));
  return [...names].slice(0, 12);
}

function contextOf(target) {
  const box = outward(parentOf(target) || target, (node) => node.matches(AROUND)
    && (node.textContent || '').trim().length > 20);
  const top = document.querySelector('h1,h2,[role=heading]');
  return {
    origin: location.origin, around: short(box ? box.textContent : '', 400), title: short(document.title),
    heading: short(top ? top.textContent : ''), path: location.pathname.slice(0, 200),
  };
}

function isSubmitter(el) {
  if (el.localName === 'button') return el.type === 'submit';
  return el.localName === 'input' && ['submit', 'image'].includes(el.type);
}

function describeForm(form, submitter) {
  const get = (name) => HTMLFormElement.prototype.getAttribute.call(form, name);
  const elements = Object.getOwnPropertyDescriptor(HTMLFormElement.prototype, 'elements').get.call(form);
  const own = submitter && submitter.getAttribute('formmethod');
  const action = (submitter && submitter.getAttribute('formaction')) || get('action') || '';
  let url = document.baseURI;
  try { url = new URL(action, document.baseURI).href; } catch { /* an action that is no URL */ }
  return { method: (own || get('method') || 'get').toUpperCase(), url, fields: listFields(elements) };
}

// Fields that no form holds: a script sends them, whatever is pressed.
function looseFields() {
  const loose = [...document.querySelectorAll('input,textarea,select')].filter((el) => !el.form);
  return loose.length ? { method: '', url: '', fields: listFields(loose) } : null;
}

function listFields(elements) {
  return [...elements].filter((field) => field.name || field.value).slice(0, 60).map((field) => ({
    name: field.name || field.id || short(field.getAttribute('aria-label') || field.placeholder, 60),
    type: field.type || '', autocomplete: field.getAttribute('autocomplete') || '',
    filled: Boolean(field.value), checked: Boolean(field.checked),
    value: field.type === 'password' ? '(masked)' : String(field.value || '').slice(0, 200),
  }));
}
