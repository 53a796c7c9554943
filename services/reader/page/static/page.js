// Sends DELETE and PUT, which a form cannot, after a confirmation. Without this script the buttons stay hidden.
'use strict';

const message = document.getElementById('message');

for (const button of document.querySelectorAll('button[data-method]')) {
  button.hidden = false;
  button.addEventListener('click', () => void act(button));
}

async function act(button) {
  const { method, path, what } = button.dataset;
  if (!confirm(`Delete ${what}? This cannot be undone.`)) return;
  button.disabled = true;
  try {
    const response = await fetch(path, { method, headers: { Prefer: 'wait=5' }, redirect: 'error' });
    if (!response.ok) throw new Error(`${response.status} ${(await response.text()).slice(0, 500)}`);
  } catch (error) {
    button.disabled = false;
    say(`Cannot delete ${what}: ${error.message}`, true);
    return;
  }
  const item = button.closest('li');
  if (item === null) {
    // The page showed what has just been deleted.
    location.assign(document.querySelector('.brand').href);
    return;
  }
  const next = item.nextElementSibling ?? item.previousElementSibling;
  item.remove();
  (next?.querySelector('a') ?? document.getElementById('content')).focus();
  say(`Deleted ${what}.`, false);
}

function say(text, isBad) {
  message.textContent = text;
  message.classList.toggle('bad', isBad);
  message.hidden = false;
}
