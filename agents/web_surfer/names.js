// Roles, names, states and hints of elements, in the words that the outline prints.
const INPUT_ROLES = {
  button: 'button', submit: 'button', reset: 'button', image: 'button', checkbox: 'checkbox',
  radio: 'radio', range: 'slider', number: 'number', file: 'file input', password: 'password',
  search: 'searchbox', email: 'email', tel: 'tel', url: 'url', date: 'date', time: 'time',
  month: 'month', week: 'week', 'datetime-local': 'datetime', color: 'color',
};
const TAG_ROLES = {
  button: 'button', select: 'select', textarea: 'textarea', summary: 'summary', canvas: 'canvas',
  video: 'video', audio: 'audio', img: 'image', area: 'link', iframe: 'frame', option: 'option',
  progress: 'progressbar', meter: 'meter',
};
const WIDGETS = new Set([
  'button', 'link', 'checkbox', 'radio', 'switch', 'tab', 'menuitem', 'menuitemcheckbox',
  'menuitemradio', 'option', 'slider', 'spinbutton', 'textbox', 'combobox', 'searchbox',
  'treeitem', 'scrollbar',
]);
const GROUPS = {
  nav: 'navigation', dialog: 'dialog', form: 'form', fieldset: 'group', table: 'table',
  main: '', header: '', footer: 'footer', aside: 'aside',
};
const GROUP_ROLES = new Set([
  'navigation', 'dialog', 'alertdialog', 'form', 'group', 'radiogroup', 'menu', 'menubar',
  'listbox', 'tablist', 'tree', 'grid', 'table', 'toolbar', 'alert', 'status', 'search',
]);
const UNSEEN_NAME = 120;
const POINTER_PROPERTIES = [
  'onclick', 'ondblclick', 'onmousedown', 'onmouseup', 'onpointerdown', 'ondragstart', 'ondrop',
];

const tidy = (text) => text.replace(/\s+/g, ' ').trim();
const quoted = (text) => `"${text.replace(/\r/g, '').replace(/\n/g, '\\n')}"`;
const roleAttribute = (el) => (el.getAttribute('role') || '').trim().split(/\s+/)[0].toLowerCase();

function isNative(el) {
  switch (el.localName) {
    case 'button': case 'select': case 'textarea': case 'summary': return true;
    case 'input': return el.type !== 'hidden';
    case 'a': case 'area': return el.hasAttribute('href');
    case 'video': case 'audio': return el.controls;
    case 'canvas': return true;
    default: return el.isContentEditable && !(parentOf(el) && parentOf(el).isContentEditable);
  }
}

function hasFrameworkHandler(el) {
  for (const key of Object.keys(el)) {
    if (key.startsWith('__reactProps$')) {
      return Object.keys(el[key] || {}).some((name) => /^on(Click|Mouse|Pointer|Drag)/.test(name));
    }
    if (key === '_vei') return Object.keys(el[key] || {}).some((name) => /^on(Click|Mouse)/.test(name));
  }
  return false;
}

function isListening(el) {
  if (el === document.body || el === document.documentElement) return false;
  return hooks.isListening(el) || POINTER_PROPERTIES.some((name) => typeof el[name] === 'function')
    || hasFrameworkHandler(el);
}

function isInteractive(el, context) {
  if (el === document.body || el === document.documentElement) return false;
  if (isNative(el) || WIDGETS.has(roleAttribute(el))) return true;
  if (isListening(el)) return true;
  if (el.hasAttribute('tabindex') && el.tabIndex >= 0) return true;
  if (el.getAttribute('draggable') === 'true') return true;
  return styleOf(el).cursor === 'pointer' && !context.pointer && el.localName !== 'label';
}

function roleOf(el) {
  const explicit = roleAttribute(el);
  if (explicit && explicit !== 'presentation' && explicit !== 'none') return explicit;
  if (el.localName === 'input') return INPUT_ROLES[el.type] || 'textbox';
  if (el.localName === 'a') return el.hasAttribute('href') ? 'link' : 'clickable';
  if (/^h[1-6]$/.test(el.localName)) return `heading${el.localName[1]}`;
  if (TAG_ROLES[el.localName]) return TAG_ROLES[el.localName];
  if (isNative(el)) return 'editable';
  if (el.getAttribute('draggable') === 'true') return 'draggable';
  return 'clickable';
}

// The text of a subtree that a person can read; `without` names elements that do not count.
function readableText(el, context, without = '') {
  const parts = [];
  const collect = (node, around) => {
    const folded = node.localName === 'details' && !node.open;
    for (const child of childrenOf(node)) {
      if (folded && child.localName !== 'summary') continue;
      if (child.nodeType === Node.TEXT_NODE) {
        if (showsText(node, around, child)) parts.push(child.data);
      } else if (child.nodeType === Node.ELEMENT_NODE && !SILENT.has(child.localName)
          && !(without && child.matches(without))) {
        const inner = lookInto(child, around);
        if (!inner) continue;
        if (child.localName === 'img' && child.alt && child.width > 1) parts.push(` ${child.alt} `);
        const block = !styleOf(child).display.startsWith('inline');
        if (block) parts.push(' ');
        collect(child, inner);
        if (block) parts.push(' ');
      }
    }
  };
  collect(el, context);
  return tidy(parts.join(''));
}

function labelledBy(el) {
  const ids = (el.getAttribute('aria-labelledby') || '').split(/\s+/).filter(Boolean);
  const root = el.getRootNode();
  return tidy(ids.map((id) => root.getElementById && root.getElementById(id))
    .filter(Boolean).map(shownOrShort).join(' '));
}

// What a person reads in a label; a label made for screen readers only counts while it is short.
function shownOrShort(label) {
  const context = viewOf(label);
  const shown = context && readableText(label, context, 'input,select,textarea,button');
  if (shown || label.querySelector('input,select,textarea,button')) return shown || '';
  return tidy(label.textContent).slice(0, UNSEEN_NAME);
}

function labelText(el) {
  return el.labels ? tidy([...el.labels].map(shownOrShort).join(' ')) : '';
}

function nameOf(el, text) {
  const said = tidy(el.getAttribute('aria-label') || '').slice(0, UNSEEN_NAME);
  const given = labelledBy(el) || said || labelText(el);
  if (given) return given;
  if (el.localName === 'input' && ['submit', 'button', 'reset'].includes(el.type)) {
    return el.value || (el.type === 'button' ? '' : el.type);
  }
  if (el.alt) return tidy(el.alt);
  if (text) return text;
  const drawn = el.querySelector('svg > title, :scope > title');
  return tidy((drawn && drawn.textContent) || el.getAttribute('title') || '');
}

const fileWord = (path) => decodeURI(path).split(/[?#]/)[0].split('/').pop().replace(/\.\w+$/, '');

// What an icon without a name may stand for.
function hintOf(el) {
  for (const part of [el, ...[...el.querySelectorAll('*')].slice(0, 12)]) {
    const use = part.localName === 'use' && (part.getAttribute('href') || part.getAttribute('xlink:href'));
    if (use) return use.split('#').pop();
    if (part.localName === 'img' && part.src && !part.src.startsWith('data:')) return fileWord(part.src);
    for (const pseudo of [undefined, '::before', '::after']) {
      const style = getComputedStyle(part, pseudo);
      const url = /url\("?([^")]+)/.exec(`${style.backgroundImage} ${style.maskImage} ${style.content}`);
      if (url && !url[1].startsWith('data:')) return fileWord(url[1]);
      const drawn = pseudo && /^"(.+)"$/.exec(style.content);
      if (drawn && !/[\ue000-\uf8ff]/.test(drawn[1])) return drawn[1];
    }
  }
  for (const part of [el, ...el.querySelectorAll('[class],[id]')]) {
    const words = part.getAttribute('data-icon') || part.getAttribute('class') || part.id
      || part.getAttribute('name');
    if (words) return tidy(words);
  }
  return el.getAttribute('name') || '';
}

function statesOf(el) {
  const aria = (name) => el.getAttribute(`aria-${name}`);
  const states = [];
  if (isFocused(el)) states.push('focused');
  if (isDisabled(el)) states.push('disabled');
  if (el.readOnly && el.localName !== 'select') states.push('readonly');
  if (el.required || aria('required') === 'true') states.push('required');
  const box = el.localName === 'input' && (el.type === 'checkbox' || el.type === 'radio');
  if (box) states.push(el.indeterminate ? 'mixed' : el.checked ? 'checked' : 'unchecked');
  else if (aria('checked')) states.push({ true: 'checked', mixed: 'mixed' }[aria('checked')] || 'unchecked');
  if (aria('selected') === 'true') states.push('selected');
  if (isActiveItem(el)) states.push('active');
  if (aria('pressed') === 'true') states.push('pressed');
  if (aria('current') && aria('current') !== 'false') states.push('current');
  if (aria('expanded')) states.push(aria('expanded') === 'true' ? 'expanded' : 'collapsed');
  if (el.localName === 'summary') states.push(el.parentElement.open ? 'expanded' : 'collapsed');
  if (el.getAttribute('draggable') === 'true' && roleOf(el) !== 'draggable') states.push('draggable');
  if (el.multiple) states.push('multiple');
  if (aria('invalid') === 'true') states.push('invalid');
  if (el.localName === 'video' || el.localName === 'audio') states.push(el.paused ? 'paused' : 'playing');
  return states;
}

// Also what stands in a part of the page that is switched off as a whole.
function isDisabled(el) {
  return el.matches(':disabled') || Boolean(nearest(el, '[aria-disabled=true],[inert]'));
}

// The item that the arrow keys of a focused list, tree or grid have reached.
function isActiveItem(el) {
  const root = el.getRootNode();
  const owner = el.id && root.activeElement;
  return Boolean(owner) && owner.getAttribute('aria-activedescendant') === el.id;
}

function isFocused(el) {
  const root = el.getRootNode();
  return root.activeElement === el && el !== document.body && document.hasFocus();
}
