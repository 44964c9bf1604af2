// What tells one kind of page from another, and the links on it: facts only, judged elsewhere.
const MOST_LINKS = 4000;
const MOST_TEXT = 5000;
const MOST_PARTS = 60000;
const BANNER = /cookie|consent|gdpr|ccpa|onetrust|datenschutz|privacy|confidentialit|privacidad/i;
const AGREES = /accept|agree|allow all|got it|reject|decline|akzeptier|zustimm|ablehnen|accepter|refuser|aceptar|rechazar|accetta|rifiuta|accepteren|zgadzam/i;

function signs() {
  const links = new Set();
  const roots = [document];
  let parts = 0;
  while (roots.length && parts < MOST_PARTS) {
    const root = roots.pop();
    for (const link of root.querySelectorAll('a[href],area[href]')) {
      if (links.size < MOST_LINKS && /^https?:/.test(link.href)) links.add(String(link.href));
    }
    for (const el of root.querySelectorAll('*')) {
      if (rootOf(el)) roots.push(rootOf(el));
      if ((parts += 1) >= MOST_PARTS) break;
    }
  }
  const heading = document.querySelector('h1,h2,[role=heading]');
  const entry = performance.getEntriesByType('navigation')[0];
  return {
    links: [...links], url: location.href, title: short(document.title),
    heading: short(heading ? heading.textContent : ''), text: visibleText(),
    status: (entry && entry.responseStatus) || 0, fields: visibleFields(), overlay: overlayText(),
    frames: [...document.querySelectorAll('iframe')].filter(isDrawn).map((f) => f.src.slice(0, 200)),
    buttons: [...document.querySelectorAll('button,[role=button],a,input[type=submit]')].slice(0, 80)
      .filter(isDrawn).map((b) => short(b.textContent || b.value, 60)).filter(Boolean),
    closed: [...document.querySelectorAll('script[type="application/ld+json"]')].some(
      (s) => /"isAccessibleForFree"\s*:\s*"?false/i.test(s.textContent)),
    wall: [...document.querySelectorAll('[class*=paywall i],[id*=paywall i]')].some(isDrawn),
  };
}

function isDrawn(el) {
  const rect = el.getBoundingClientRect();
  return rect.width > 8 && rect.height > 8
    && (!el.checkVisibility || el.checkVisibility({ opacityProperty: true, visibilityProperty: true }));
}

function visibleText() {
  const walker = document.createTreeWalker(document.body || document.documentElement, NodeFilter.SHOW_TEXT);
  let text = '';
  for (let node = walker.nextNode(), seen = 0; node && seen < 4000; node = walker.nextNode(), seen += 1) {
    const parent = node.parentElement;
    if (!node.data.trim() || !parent || SILENT.has(parent.localName)) continue;
    if (parent.checkVisibility && !parent.checkVisibility()) continue;
    text += `${tidy(node.data)}\n`;
    if (text.length > MOST_TEXT) break;
  }
  return text.slice(0, MOST_TEXT);
}

function visibleFields() {
  return [...document.querySelectorAll('input,textarea')].slice(0, 200).filter(isDrawn)
    .filter((el) => !['hidden', 'submit', 'button', 'checkbox', 'radio', 'image'].includes(el.type))
    .map((el) => ({
      type: el.type, filled: Boolean(el.value), autocomplete: el.autocomplete || '',
      name: short([el.name, el.id, el.placeholder, el.getAttribute('aria-label'),
        el.labels && [...el.labels].map((l) => l.textContent).join(' ')].filter(Boolean).join(' '), 120),
    }));
}

// The words of a banner that lies over the page and asks for a consent, or nothing.
function overlayText() {
  for (const el of document.querySelectorAll('body *')) {
    const named = BANNER.test(`${el.id} ${el.className && el.className.baseVal === undefined ? el.className : ''}`);
    const dialog = el.localName === 'dialog' || /dialog/.test(roleAttribute(el));
    if (!named && !dialog && !/fixed|sticky/.test(styleOf(el).position)) continue;
    if (!isDrawn(el) || !/fixed|sticky|absolute/.test(styleOf(el).position) && !dialog) continue;
    const text = short(el.textContent, 600);
    const buttons = [...el.querySelectorAll('button,[role=button],a,input[type=button],input[type=submit]')];
    if (BANNER.test(text) && buttons.some((b) => AGREES.test(b.textContent || b.value || ''))) return text;
  }
  return '';
}
