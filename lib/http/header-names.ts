/**
 * Lower-cased header names without making a string per field. The parser hashes a name while it checks
 * its bytes; here the hash finds a slot that keeps the spelling last seen there and its lower case. A hit
 * is compared byte by byte (a hash alone would let a crafted name pass for another), a miss makes the
 * strings once and takes the slot. Direct mapped: a client that invents names costs itself a slice per
 * field and others at most one miss, memory never grows.
 */
import { LOWER_CASE } from './characters.js';

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
/** Longer names are rare; they are sliced each time. */
const NAME_LENGTH_MAX = 64;

const spellings: string[] = new Array<string>(SLOT_COUNT).fill('');
const lowerNames: string[] = new Array<string>(SLOT_COUNT).fill('');
const kinds = new Uint8Array(SLOT_COUNT);

/** Kind of the name that `internName` returned last: a second result without an object. */
export let lastKind: number = FieldKind.OTHER;

/** One step of the hash; the parser starts at 0 and folds in each byte of the name as it came. */
export function hashStep(hash: number, code: number): number {
	return (Math.imul(hash, 33) + code) | 0;
}

/** The name at `head[start..end)` in lower case; `hash` over its bytes as hashStep makes it. */
export function internName(head: string, start: number, end: number, hash: number): string {
	const slot = (hash ^ (hash >>> 15)) & (SLOT_COUNT - 1);
	const spelling = spellings[slot]!;
	if (spelling.length === end - start) {
		let i = 0;
		while (i < spelling.length && spelling.charCodeAt(i) === head.charCodeAt(start + i)) i++;
		if (i === spelling.length) {
			lastKind = kinds[slot]!;
			return lowerNames[slot]!;
		}
	}
	return learn(head.slice(start, end), slot);
}

function learn(spelling: string, slot: number): string {
	// A copy: a slice would keep the whole head of some request alive for as long as the slot holds it.
	const copy = Buffer.from(spelling, 'latin1');
	const raw = copy.toString('latin1');
	for (let i = 0; i < copy.length; i++) copy[i] = LOWER_CASE[copy[i]!]!;
	const lower = internalized(copy.toString('latin1'));
	lastKind = KINDS.get(lower) ?? FieldKind.OTHER;
	if (raw.length <= NAME_LENGTH_MAX) {
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
