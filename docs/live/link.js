// The state of the page as the part of its address behind #, so that a link restores it.

export function readLink() {
  return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
}

// Browsers are slow to change the address, so it is left where it says the same.
export function writeLink(state) {
  const link = `#${new URLSearchParams(state)}`;
  if (link !== location.hash) history.replaceState(null, "", link);
}
