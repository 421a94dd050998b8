/**
 * FIX messages, Financial Information eXchange (manual, 7.3.1; FIX session layer, "standard header and trailer"):
 * `fix_is_valid` and `fix_tag_value`. A message is `tag=value` fields, each ended by the byte SOH; only the first message of
 * a connection is looked at. While it is not all there, there is no sample, so that `tcp-request content` rules wait.
 */
import type { ConverterDescriptor } from '../types.js';
import { direct, required, textArgument } from './define.js';

const SOH = 1;
const EQUALS = 0x3d;

const BEGIN_STRING = 8;
const BODY_LENGTH = 9;
const CHECK_SUM = 10;
const MSG_TYPE = 35;

/** `8=FIX.4.0|9=5|35=0|10=000|`: no message is shorter. */
const SHORTEST_MESSAGE = 26;

const VERSIONS: ReadonlySet<string> = new Set(['FIX.4.0', 'FIX.4.1', 'FIX.4.2', 'FIX.4.3', 'FIX.4.4', 'FIXT.1.1']);

const TAG_NAMES: ReadonlyMap<string, number> = new Map([
	['MsgType', MSG_TYPE],
	['CheckSum', CHECK_SUM],
	['BodyLength', BODY_LENGTH],
	['TargetCompID', 56],
	['BeginString', BEGIN_STRING],
	['SenderCompID', 49],
]);

/** A field between two indexes; the value ends before SOH. */
interface Field {
	readonly tag: number;
	readonly start: number;
	readonly valueStart: number;
	readonly valueEnd: number;
}

/** The field at `at`; `incomplete` when its end has not come, `invalid` when its tag is no number. */
function readField(bytes: Buffer, at: number): Field | 'incomplete' | 'invalid' {
	const equals = bytes.indexOf(EQUALS, at);
	if (equals < 0) return 'incomplete';
	const valueEnd = bytes.indexOf(SOH, equals);
	if (valueEnd < 0) return 'incomplete';
	const tag = bytes.toString('latin1', at, equals);
	if (!/^\d{1,9}$/.test(tag) || Number(tag) === 0) return 'invalid';
	return { tag: Number(tag), start: at, valueStart: equals + 1, valueEnd };
}

const valueText = (bytes: Buffer, { valueStart, valueEnd }: Field): string =>
	bytes.toString('latin1', valueStart, valueEnd);

/** The tags that must come first, in this order. */
const HEADER: readonly number[] = [BEGIN_STRING, BODY_LENGTH, MSG_TYPE];

/** Undefined: it is not all there. */
function isValidMessage(bytes: Buffer): boolean | undefined {
	if (bytes.length < SHORTEST_MESSAGE) return undefined;
	let bodyLength = 0;
	let bodyStart = 0;
	let at = 0;
	for (let index = 0; ; index++) {
		const field = readField(bytes, at);
		if (field === 'incomplete') return undefined;
		if (field === 'invalid') return false;
		const expected = HEADER[index];
		if (expected !== undefined && field.tag !== expected) return false;
		at = field.valueEnd + 1;
		if (field.tag === BEGIN_STRING && index === 0) {
			if (!VERSIONS.has(valueText(bytes, field))) return false;
		} else if (field.tag === BODY_LENGTH && index === 1) {
			const text = valueText(bytes, field);
			if (!/^\d{1,9}$/.test(text)) return false;
			bodyLength = Number(text);
			bodyStart = at;
		} else if (field.tag === CHECK_SUM) {
			if (field.start - bodyStart !== bodyLength) return false;
			let sum = 0;
			for (let i = 0; i < field.start; i++) sum = (sum + (bytes[i] ?? 0)) & 0xff;
			const text = valueText(bytes, field);
			return /^\d{3}$/.test(text) && Number(text) === sum;
		}
	}
}

/** The value of the first field with a tag. */
function findTag(bytes: Buffer, tag: number): Buffer | undefined {
	for (let at = 0; ; ) {
		const field = readField(bytes, at);
		if (typeof field === 'string') return undefined;
		if (field.tag === tag) {
			return field.valueStart === field.valueEnd ? undefined : bytes.subarray(field.valueStart, field.valueEnd);
		}
		if (field.tag === CHECK_SUM) return undefined;
		at = field.valueEnd + 1;
	}
}

function tagNumber(text: string): number | undefined {
	if (/^\d{1,9}$/.test(text)) return Number(text) === 0 ? undefined : Number(text);
	for (const [name, tag] of TAG_NAMES) if (name.toLowerCase() === text.toLowerCase()) return tag;
	return undefined;
}

export const FIX_CONVERTERS: readonly ConverterDescriptor[] = [
	direct<Buffer>('fix_is_valid', 'bin', 'bool', isValidMessage),
	{
		name: 'fix_tag_value',
		args: [required('string')],
		input: 'bin',
		output: 'bin',
		check: ([tag]) =>
			tagNumber(textArgument(tag) ?? '') === undefined ? `Unknown FIX tag name '${textArgument(tag)}'` : undefined,
		compile: ([argument]) => {
			const tag = tagNumber(textArgument(argument) ?? '') ?? 0;
			return (value) => findTag(value as Buffer, tag);
		},
	},
];
