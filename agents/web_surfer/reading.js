// The page as markdown and tables as rows: for reading and extracting.
function markdown() {
  const out = [];
  const root = document.body || document.documentElement;
  const inner = lookInto(root, rootContext());
  if (inner) writeBlocks(root, inner, out, '');
  return out.join('\n').replace(/\n{3,}/g, '\n\n').trim();
}

const TABLES = 'table,[role=table],[role=grid],[role=treegrid]';
const SKIPPED_IN_TEXT = new Set([...SILENT, 'nav', 'button', 'select', 'input', 'textarea', 'svg', 'iframe']);

function writeBlocks(el, context, out, indent) {
  let text = '';
  const end = () => { if (tidy(text)) out.push(indent + tidy(text), ''); text = ''; };
  const folded = el.localName === 'details' && !el.open;
  for (const child of childrenOf(el)) {
    if (folded && child.localName !== 'summary') continue;
    if (child.nodeType === Node.TEXT_NODE) {
      if (showsText(el, context, child)) text += child.data;
      continue;
    }
    if (child.nodeType !== Node.ELEMENT_NODE || SKIPPED_IN_TEXT.has(child.localName)) continue;
    if (roleAttribute(child) === 'navigation') continue;
    const inner = lookInto(child, context);
    if (!inner) continue;
    if (isInlineText(child)) { text += inlineText(child, inner); continue; }
    end();
    writeBlock(child, inner, out, indent);
  }
  end();
}

function isInlineText(el) {
  return (styleOf(el).display.startsWith('inline') || el.localName === 'br')
    && ![...el.querySelectorAll('*')].some((x) => !styleOf(x).display.startsWith('inline')
      && styleOf(x).display !== 'none');
}

function inlineText(el, context) {
  if (el.localName === 'br') return ' ';
  if (el.localName === 'img') return el.alt && el.width > 3 ? ` ${el.alt} ` : '';
  const text = readableText(el, context);
  if (el.localName === 'a' && /^https?:/.test(el.href)) return text ? ` [${text}](${el.href}) ` : '';
  if (el.localName === 'code') return ' `' + text + '` ';
  return styleOf(el).display === 'inline' ? text && ` ${text} ` : ` ${text} `;
}

function writeBlock(el, inner, out, indent) {
  const tag = el.localName;
  if (/^h[1-6]$/.test(tag)) {
    const text = readableText(el, inner);
    if (text) out.push(`${'#'.repeat(Number(tag[1]))} ${text}`, '');
  } else if (tag === 'pre') {
    out.push('```', keptText(el, inner).replace(/\s+$/, ''), '```', '');
  } else if (tag === 'table') {
    const rows = tableRows(el, inner);
    out.push(...rows.map((row) => `| ${row.map((cell) => cell.replace(/\|/g, '\\|')).join(' | ')} |`), '');
  } else if (tag === 'li') {
    const at = out.length;
    writeBlocks(el, inner, out, indent + '  ');
    if (out.length > at) out[at] = `${indent}- ${out[at].trim()}`;
    if (out[out.length - 1] === '') out.pop();
  } else {
    writeBlocks(el, inner, out, indent);
    if (tag === 'ul' || tag === 'ol') out.push('');
  }
}

// Readable text with its own line ends and spaces.
function keptText(el, context) {
  return [...childrenOf(el)].map((child) => {
    if (child.nodeType === Node.TEXT_NODE) return showsText(el, context, child) ? child.data : '';
    if (child.nodeType !== Node.ELEMENT_NODE || SILENT.has(child.localName)) return '';
    if (child.localName === 'br') return '\n';
    const inner = lookInto(child, context);
    if (!inner) return '';
    const text = keptText(child, inner);
    return styleOf(child).display.startsWith('inline') ? text : `${text}\n`;
  }).join('');
}

// The rows of a table, ARIA grids included; a merged cell is repeated where it reaches.
function tableRows(table, context) {
  const rows = [...table.querySelectorAll('tr,[role=row]')].filter((row) => row.closest(TABLES) === table);
  const grid = [];
  rows.forEach((row, y) => {
    grid[y] = grid[y] || [];
    let x = 0;
    const around = row.parentElement === table ? context : lookInto(row.parentElement, context);
    const inner = around && lookInto(row, around);
    for (const cell of inner ? row.children : []) {
      const look = lookInto(cell, inner);
      if (!look) continue;
      while (grid[y][x] !== undefined) x += 1;
      const text = readableText(cell, look);
      const wide = Math.min(cell.colSpan || 1, 50), high = Math.min(cell.rowSpan || 1, 500);
      for (let dy = 0; dy < high && y + dy < rows.length; dy += 1) {
        for (let dx = 0; dx < wide; dx += 1) {
          grid[y + dy] = grid[y + dy] || [];
          grid[y + dy][x + dx] = text;
        }
      }
      x += wide;
    }
  });
  return grid.filter((row) => row.length).map((row) => Array.from(row, (cell) => cell ?? ''));
}

function tables() {
  return [...elementsBelow(document)].filter((el) => el.matches(TABLES) && !nearest(parentOf(el), TABLES))
    .map(rowsOf).filter((rows) => rows.length);
}

function tableAround(el) {
  const table = nearest(el, TABLES) || el.querySelector(TABLES);
  return table ? rowsOf(table) : null;
}

function rowsOf(table) {
  const context = viewOf(table);
  return context ? tableRows(table, context) : [];
}

// What a person can read in the document; a frame has a document of its own.
function shownText() {
  const root = document.body || document.documentElement;
  const context = root && viewOf(root);
  return context ? readableText(root, context) : '';
}
