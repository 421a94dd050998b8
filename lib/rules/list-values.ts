/** The values of a comma-separated field, for `replace-value`. */

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
			const value = list.slice(from, to);
			const changed = change(value);
			// As observed: the blanks before a value behind the first go with it when it is replaced.
			const before = changed === value || start === 0 ? list.slice(start, from) : '';
			result += before + changed + list.slice(to, i);
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
