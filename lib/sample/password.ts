/**
 * Passwords of user lists (manual, 3.4): in clear, or as crypt(3) writes them. The SHA-crypt schemes `$5$` and `$6$`
 * are built after their public specification (Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512"); MD5,
 * DES and yescrypt are refused when the file is read.
 *
 * A check costs thousands of hashes, on purpose, and it is needed for every request of a client: the last passwords
 * that were right are remembered, by their digest, so that only the first request pays.
 */
import { createHash, timingSafeEqual } from 'node:crypto';

const REMEMBERED = 256;
const MIN_ROUNDS = 1000;
const MAX_ROUNDS = 999_999_999;
const DEFAULT_ROUNDS = 5000;
/** More rounds than this would stop the thread for a quarter of a second. */
const ACCEPTED_ROUNDS = 200_000;

const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

interface Scheme {
	readonly algorithm: 'sha256' | 'sha512';
	readonly size: number;
	/** Bytes of the digest in the order in which they are written, three to four characters. */
	readonly order: readonly (readonly number[])[];
}

/** The digest is cut in thirds and read in turns that rotate. */
function rotatingOrder(size: number, backwards: boolean, tail: readonly number[]): readonly (readonly number[])[] {
	const third = Math.floor(size / 3);
	const groups: number[][] = [];
	let [a, b, c] = [0, third, 2 * third];
	for (let i = 0; i < third; i++) {
		groups.push([a, b, c]);
		[a, b, c] = backwards ? [c + 1, a + 1, b + 1] : [b + 1, c + 1, a + 1];
	}
	groups.push([...tail]);
	return groups;
}

const SCHEMES: ReadonlyMap<string, Scheme> = new Map([
	['5', { algorithm: 'sha256', size: 32, order: rotatingOrder(32, true, [31, 30]) }],
	['6', { algorithm: 'sha512', size: 64, order: rotatingOrder(64, false, [63]) }],
]);

interface ParsedHash {
	readonly scheme: Scheme;
	readonly rounds: number;
	readonly salt: string;
	readonly digest: string;
}

function parseHash(text: string): ParsedHash | undefined {
	const match = /^\$([56])\$(?:rounds=(\d{1,9})\$)?([^$]{0,16})[^$]*\$([./0-9A-Za-z]+)$/.exec(text);
	const scheme = SCHEMES.get(match?.[1] ?? '');
	if (match === null || scheme === undefined) return undefined;
	const rounds = match[2] === undefined ? DEFAULT_ROUNDS : Math.min(Math.max(Number(match[2]), MIN_ROUNDS), MAX_ROUNDS);
	return { scheme, rounds, salt: match[3] ?? '', digest: match[4] ?? '' };
}

/** What is wrong with an encrypted password, or undefined. */
export function encryptedPasswordError(text: string): string | undefined {
	const parsed = parseHash(text);
	if (parsed === undefined) {
		return "only SHA-256 ('$5$') and SHA-512 ('$6$') encrypted passwords are supported by holdfast";
	}
	return parsed.rounds > ACCEPTED_ROUNDS
		? `more than ${ACCEPTED_ROUNDS} rounds are not supported by holdfast`
		: undefined;
}

const remembered = new Set<string>();

/** Compares a password with what a user list holds; both are byte strings. */
export function passwordMatches(given: string, stored: string, encrypted: boolean): boolean {
	if (!encrypted) return equalTexts(given, stored);
	const parsed = parseHash(stored);
	if (parsed === undefined) return false;
	const key = createHash('sha256').update(stored).update('\0').update(given, 'latin1').digest('base64');
	if (remembered.has(key)) return true;
	if (!equalTexts(shaCrypt(given, parsed), parsed.digest)) return false;
	if (remembered.size >= REMEMBERED) remembered.clear();
	remembered.add(key);
	return true;
}

/** In a time that does not tell where they differ. */
function equalTexts(a: string, b: string): boolean {
	const digest = (text: string): Buffer => createHash('sha256').update(text, 'latin1').digest();
	return timingSafeEqual(digest(a), digest(b));
}

/** `length` bytes of `block` repeated. */
function repeated(block: Buffer, length: number): Buffer {
	return Buffer.alloc(length, block);
}

/** The steps of the specification, in its order; numbers in comments are its own. */
function shaCrypt(password: string, { scheme, rounds, salt }: ParsedHash): string {
	const { algorithm, size } = scheme;
	const passwordBytes = Buffer.from(password, 'latin1');
	const saltBytes = Buffer.from(salt, 'latin1');
	const length = passwordBytes.length;
	// 4 to 8: digest B
	const alternate = createHash(algorithm).update(passwordBytes).update(saltBytes).update(passwordBytes).digest();
	// 1 to 3, 9 to 12: digest A
	const first = createHash(algorithm).update(passwordBytes).update(saltBytes);
	if (length > 0) first.update(repeated(alternate, length));
	for (let bits = length; bits > 0; bits >>>= 1) first.update((bits & 1) === 1 ? alternate : passwordBytes);
	let digest = first.digest();
	// 13 to 16: the sequence P
	const forP = createHash(algorithm);
	for (let i = 0; i < length; i++) forP.update(passwordBytes);
	const sequenceP = length === 0 ? Buffer.alloc(0) : repeated(forP.digest(), length);
	// 17 to 20: the sequence S
	const forS = createHash(algorithm);
	for (let i = 0; i < 16 + (digest[0] ?? 0); i++) forS.update(saltBytes);
	const sequenceS = saltBytes.length === 0 ? Buffer.alloc(0) : repeated(forS.digest(), saltBytes.length);
	// 21: rounds
	for (let round = 0; round < rounds; round++) {
		const hash = createHash(algorithm);
		hash.update(round % 2 === 1 ? sequenceP : digest);
		if (round % 3 !== 0) hash.update(sequenceS);
		if (round % 7 !== 0) hash.update(sequenceP);
		hash.update(round % 2 === 1 ? digest : sequenceP);
		digest = hash.digest();
	}
	return encode(digest.subarray(0, size), scheme.order);
}

/** 22: three bytes, the first the highest, make four characters, lowest six bits first. */
function encode(digest: Buffer, order: readonly (readonly number[])[]): string {
	let text = '';
	for (const group of order) {
		let value = group.reduce((sum, index) => (sum << 8) | (digest[index] ?? 0), 0);
		for (let i = 0; i <= group.length; i++) {
			text += ALPHABET.charAt(value & 63);
			value >>>= 6;
		}
	}
	return text;
}
