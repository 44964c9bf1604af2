// The stock table stays closed until somebody asks for it.
const button = document.getElementById('show-stock');
const table = document.getElementById('stock');
button.addEventListener('click', () => {
  table.hidden = !table.hidden;
  button.textContent = table.hidden ? 'Show stock' : 'Hide stock';
});
