/**
 * What a request for the page asks for, read off its target as HAProxy reads it: behind the configured prefix stand
 * words that begin with a semicolon (`;csv`, `;up`, `;norefresh`, `;st=DONE`), in any order, and anywhere `scope=`.
 * Words are found by their beginning, as there.
 */
export type PageFormat = 'html' | 'csv' | 'typed' | 'json' | 'json-schema' | 'live' | 'script' | 'charts';

export interface PageOptions {
	readonly format: PageFormat;
	/** Without servers that are down. */
	readonly hidesDown: boolean;
	readonly hidesMaintenance: boolean;
	readonly refreshes: boolean;
	/** Only proxies whose name contains it; empty: all. */
	readonly scope: string;
	/** The outcome of an action, four letters. */
	readonly outcome: string | undefined;
}

/** In the order in which they win; `;live`, `;script` and `;charts` are Holdfast's own. */
const FORMATS: readonly (readonly [word: string, format: PageFormat])[] = [
	[';csv', 'csv'],
	[';typed', 'typed'],
	[';json-schema', 'json-schema'],
	[';json', 'json'],
	[';live', 'live'],
	[';script', 'script'],
	[';charts', 'charts'],
];

/** Longest scope that is looked at, as observed. */
const SCOPE_MAX = 20;

export function parsePageOptions(target: string, prefixLength: number): PageOptions {
	const rest = target.slice(prefixLength);
	const format = FORMATS.find(([word]) => rest.includes(word))?.[1] ?? 'html';
	const scope = /[?;&]scope=([^;&?#]*)/.exec(rest)?.[1] ?? '';
	return {
		format,
		hidesDown: rest.includes(';up'),
		hidesMaintenance: rest.includes(';no-maint'),
		refreshes: !rest.includes(';norefresh'),
		scope: unescapeTarget(scope).slice(0, SCOPE_MAX),
		outcome: /;st=([A-Z]{4})/.exec(rest)?.[1],
	};
}

/** `%41` and `+`; what is malformed stays as it is. */
export function unescapeTarget(text: string): string {
	return text
		.replaceAll('+', ' ')
		.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** The words that a link of the page keeps, one of them changed. */
export function pageLink(uri: string, options: PageOptions, change: Partial<PageOptions> = {}): string {
	const { format, hidesDown, hidesMaintenance, refreshes, scope }: PageOptions = { ...options, ...change };
	const words = [
		format === 'html' ? '' : `;${format}`,
		hidesDown ? ';up' : '',
		hidesMaintenance ? ';no-maint' : '',
		refreshes ? '' : ';norefresh',
		scope === '' ? '' : `?scope=${encodeURIComponent(scope)}`,
	];
	return uri + words.join('');
}
