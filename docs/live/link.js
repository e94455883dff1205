// The state of the page as the part of its address behind #, so that a link restores it.

export function readLink() {
  return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
}

export function writeLink(state) {
  history.replaceState(null, "", `#${new URLSearchParams(state)}`);
}
