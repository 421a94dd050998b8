/**
 * Log formats as JSON (HAProxy 3.0, `%{+json}o`): one object a line, a member for each item with a name, as in
 * `%{+json}o %(client)ci %(status)ST %(host)[capture.req.hdr(0)]`. Texts between the items and items without a
 * name are not in it. Numbers and booleans are such, what has no value is `null`, and `%(name:type)` makes a value a
 * `str`, `sint` or `bool`.
 */
import type { SampleType, SampleValue, StreamView } from './types.js';
import { toText } from './values.js';

export const JSON_TYPES = ['str', 'sint', 'bool'] as const;
export type JsonType = (typeof JSON_TYPES)[number];

/** Log variables whose value is a number; `rc` and the counting ones may carry a plus sign, which is left out. */
const NUMERIC_ALIASES: ReadonlySet<string> = new Set(
	'B ST Ta Tc Td Th Ti Tq TR Tr Ts Tt Tu Tw U ac bc bp bq cp fc fp lc ms pid rc rt sc sp sq'.split(' '),
);

export type RenderJson = (stream: StreamView) => string;

/** The value of a log variable that `render` writes as text, without flags. */
export function jsonOfAlias(
	alias: string,
	render: ((stream: StreamView) => string) | undefined,
	type: JsonType | undefined,
): RenderJson {
	if (render === undefined) return () => 'null';
	const own = type ?? (NUMERIC_ALIASES.has(alias) ? 'sint' : 'str');
	return (stream) => jsonOfText(render(stream), own);
}

/** The value of an expression. */
export function jsonOfExpression(
	evaluate: (stream: StreamView) => SampleValue | undefined,
	outputType: SampleType,
	type: JsonType | undefined,
): RenderJson {
	return (stream) => {
		const value = evaluate(stream);
		if (value === undefined) return 'null';
		if (type !== undefined) return jsonOfText(toText(value), type);
		if (typeof value === 'boolean') return value ? 'true' : 'false';
		if ((typeof value === 'number' || typeof value === 'bigint') && outputType !== 'str') return String(value);
		return jsonString(toText(value));
	};
}

function jsonOfText(text: string, type: JsonType): string {
	if (text === '') return 'null';
	switch (type) {
		case 'str':
			return jsonString(text);
		case 'sint': {
			const match = /^\+?(-?)0*(\d+)$/.exec(text);
			return match === null ? 'null' : `${match[1]}${match[2]}`;
		}
		case 'bool':
			return text === '0' || text === 'false' ? 'false' : 'true';
	}
}

const ESCAPES: Readonly<Record<string, string>> = {
	'"': '\\"',
	'\\': '\\\\',
	'\b': '\\b',
	'\f': '\\f',
	'\n': '\\n',
	'\r': '\\r',
	'\t': '\\t',
};

/** A byte string between quotes: bytes that are UTF-8 stay, others become the character of their number. */
export function jsonString(bytes: string): string {
	const safe = bytes.replace(/["\\\x00-\x1f\x7f]/g, (char) => ESCAPES[char] ?? unicode(char));
	if (!/[\x80-\xff]/.test(safe) || isUtf8(safe)) return `"${safe}"`;
	return `"${safe.replace(/[\x80-\xff]/g, unicode)}"`;
}

const unicode = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;

const decoder = new TextDecoder('utf-8', { fatal: true });

function isUtf8(bytes: string): boolean {
	try {
		decoder.decode(Buffer.from(bytes, 'latin1'));
		return true;
	} catch {
		return false;
	}
}

/** The members of the object, in the order of the format. */
export function jsonObject(members: readonly (readonly [name: string, render: RenderJson])[]): RenderJson {
	const keys = members.map(([name], index) => `${index === 0 ? '' : ', '}${jsonString(name)}: `);
	return (stream) => {
		let text = '{';
		for (const [index, [, render]] of members.entries()) text += (keys[index] as string) + render(stream);
		return `${text}}`;
	};
}
