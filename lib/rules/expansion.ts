/**
 * The two text operations of the `replace-*` actions: back-references in a replacement, and the values of
 * a comma-separated field.
 */

/**
 * `\0` is the whole match, `\1` to `\9` its groups, `\xHH` a byte, any other escaped char itself. A group
 * that took no part is empty. `groups[0]` is the match.
 */
export function expandReferences(template: string, groups: readonly (string | undefined)[]): string {
	if (!template.includes('\\')) return template;
	return template.replace(/\\(x[0-9A-Fa-f]{2}|[\s\S])/g, (_, escape: string) => {
		const code = escape.charCodeAt(0);
		if (code >= 48 && code <= 57) return groups[code - 48] ?? '';
		return escape.length === 3 ? String.fromCharCode(Number.parseInt(escape.slice(1), 16)) : escape;
	});
}

/**
 * Applies `change` to each value of a list such as `a, "b,c", d` and keeps what stands between them.
 * Commas in quoted strings do not separate (RFC 9110, section 5.6.1).
 */
export function forEachListValue(list: string, change: (value: string) => string): string {
	if (!list.includes(',')) return change(list);
	let result = '';
	let start = 0;
	let quoted = false;
	for (let i = 0; i <= list.length; i++) {
		const code = i === list.length ? 44 : list.charCodeAt(i);
		if (quoted && i < list.length) {
			if (code === 92) i++;
			else if (code === 34) quoted = false;
			continue;
		}
		if (code === 34) quoted = true;
		else if (code === 44) {
			let from = start;
			let to = i;
			while (from < to && isBlank(list.charCodeAt(from))) from++;
			while (to > from && isBlank(list.charCodeAt(to - 1))) to--;
			result += list.slice(start, from) + change(list.slice(from, to)) + list.slice(to, i);
			if (i < list.length) result += ',';
			start = i + 1;
		}
	}
	// A trailing backslash inside quotes steps over the end of the text: what is left is one value.
	return start <= list.length ? result + change(list.slice(start)) : result;
}

function isBlank(code: number): boolean {
	return code === 32 || code === 9;
}
