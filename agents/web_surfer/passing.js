// What a person would have noticed in passing: words that appeared during an act and are gone again.
const WATCHED = 40; // elements; a page that changes more than that is shown anew anyway
const PASSING = 200; // characters
let watched = null;

// Begins to watch; `settled` ends it.
function watch() {
  if (watched) watched.observer.disconnect();
  const texts = new Map();
  const observer = new MutationObserver((records) => {
    for (const record of records) {
      for (const el of record.type === 'childList' ? record.addedNodes : [record.target]) {
        const whole = el.nodeType === Node.ELEMENT_NODE ? el : parentOf(el);
        if (whole && texts.size < WATCHED && !texts.has(whole)) texts.set(whole, '');
      }
    }
    note(texts);
  });
  hooks.observe(observer);
  watched = { observer, texts, opened: hooks.opened() };
}

function note(texts) {
  for (const [el, text] of texts) if (!text) texts.set(el, seenText(el));
}

function seenText(el) {
  if (!el.isConnected || el === document.body || el.contains(document.body)) return '';
  const context = viewOf(el);
  const text = context ? readableText(el, context) : '';
  return text.length > PASSING ? '' : text;
}

// Waits as the hooks do; says what came and went meanwhile, and how many windows were opened.
async function settled(quiet, soon, cap) {
  await hooks.settled(quiet, soon, cap);
  if (!watched) return { passed: [], opened: 0 };
  const { observer, texts, opened } = watched;
  observer.disconnect();
  watched = null;
  return { passed: passedBy(texts), opened: hooks.opened() - opened };
}

function passedBy(texts) {
  const passed = [...texts].filter(([el, text]) => text && !seenText(el)).map(([, text]) => text);
  if (!passed.length) return [];
  const there = readableText(document.body, rootContext());
  return [...new Set(passed)].filter((text) => !there.includes(text)).slice(0, 3);
}
