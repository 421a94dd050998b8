/**
 * Lower-cased header names without making strings again and again. The length and three chars of a name
 * point at a slot that keeps a spelling seen before and its lower case; the spelling is then compared in
 * full, so a crafted name can never pass for another. A miss costs one check and three small strings, once.
 *
 * Two slots for each place: the newer spelling pushes the older one over. A client that invents names
 * costs itself the check of each; memory never grows.
 */
import { isToken, LOWER_CASE } from './characters.js';

/** Fields the codec itself looks at; everything else is `OTHER`. */
export const FieldKind = {
	OTHER: 0,
	HOST: 1,
	CONTENT_LENGTH: 2,
	TRANSFER_ENCODING: 3,
	CONNECTION: 4,
	KEEP_ALIVE: 5,
	PROXY_CONNECTION: 6,
	TE: 7,
	UPGRADE: 8,
} as const;

const KINDS = new Map<string, number>([
	['host', FieldKind.HOST],
	['content-length', FieldKind.CONTENT_LENGTH],
	['transfer-encoding', FieldKind.TRANSFER_ENCODING],
	['connection', FieldKind.CONNECTION],
	['keep-alive', FieldKind.KEEP_ALIVE],
	['proxy-connection', FieldKind.PROXY_CONNECTION],
	['te', FieldKind.TE],
	['upgrade', FieldKind.UPGRADE],
]);

const SLOT_COUNT = 4096;
/** Longer names are rare; they are made anew each time. */
const NAME_LENGTH_MAX = 64;

const spellings: string[] = new Array<string>(SLOT_COUNT).fill('');
const lowerNames: string[] = new Array<string>(SLOT_COUNT).fill('');
const kinds = new Uint8Array(SLOT_COUNT);

/** Kind of the name that `lowerName` returned last: a second result without an object. */
export let lastKind: number = FieldKind.OTHER;

/** The name at `head[start..end)` in lower case, or undefined if it is not a token. Needs start < end. */
export function lowerName(head: string, start: number, end: number): string | undefined {
	const spelling = head.slice(start, end);
	const mixed =
		Math.imul(head.charCodeAt(start), 31) +
		Math.imul(head.charCodeAt(end - 1), 131) +
		Math.imul(head.charCodeAt((start + end) >> 1), 17) +
		(end - start) * 7;
	const slot = (mixed << 1) & (SLOT_COUNT - 1);
	if (spellings[slot] === spelling) {
		lastKind = kinds[slot]!;
		return lowerNames[slot]!;
	}
	if (spellings[slot + 1] === spelling) {
		lastKind = kinds[slot + 1]!;
		return lowerNames[slot + 1]!;
	}
	return learn(spelling, slot);
}

function learn(spelling: string, slot: number): string | undefined {
	if (!isToken(spelling)) return undefined;
	// A copy: a slice would keep the whole head of some request alive for as long as the slot holds it.
	const copy = Buffer.from(spelling, 'latin1');
	const raw = copy.toString('latin1');
	for (let i = 0; i < copy.length; i++) copy[i] = LOWER_CASE[copy[i]!]!;
	const lower = internalized(copy.toString('latin1'));
	lastKind = KINDS.get(lower) ?? FieldKind.OTHER;
	if (raw.length <= NAME_LENGTH_MAX) {
		spellings[slot + 1] = spellings[slot]!;
		lowerNames[slot + 1] = lowerNames[slot]!;
		kinds[slot + 1] = kinds[slot]!;
		spellings[slot] = raw;
		lowerNames[slot] = lower;
		kinds[slot] = lastKind;
	}
	return lower;
}

/** Names as property keys are unique strings in the engine: comparing two of them compares pointers. */
function internalized(text: string): string {
	return Object.keys({ [text]: 0 })[0] ?? text;
}
