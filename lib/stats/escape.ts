/** Names, keys and header values are text, never markup: everything that is not written here goes through this. */
const SPECIAL = /[&<>"'`]/g;
const ENTITIES: Readonly<Record<string, string>> = {
	'&': '&amp;',
	'<': '&lt;',
	'>': '&gt;',
	'"': '&quot;',
	"'": '&#39;',
	'`': '&#96;',
};
// Bytes that are no text in a page; they would end what a browser reads, or change its direction unseen.
const CONTROLS = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;

/** For text and for attributes in quotes. */
export function escapeHtml(text: string): string {
	return text.replace(CONTROLS, '\u00bf').replace(SPECIAL, (char) => ENTITIES[char] as string);
}
