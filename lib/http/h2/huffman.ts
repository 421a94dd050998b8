/**
 * The Huffman code of HPACK (RFC 7541, section 5.2 and appendix B), read four bits at a time.
 *
 * The code is canonical: codes of one length follow each other in the order of their symbols, and the shorter ones
 * come first. So the lengths say everything, and the tree is grown from them. It has 256 inner nodes; each is a state, and
 * a table says for a state and four bits which state follows and which byte is complete. No code is shorter than
 * five bits, so four bits complete one byte at most. The table takes 16 kB and stays in the first cache; steps of a whole
 * byte would need half as many of them, but 256 kB of table.
 *
 * Only reading: what we send is not coded (hpack-encoder.ts says why).
 */

/** Bits of the code of each byte, of EOS (256) at last. */
export const HUFFMAN_CODE_BITS: Uint8Array = Uint8Array.of(
	...[13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28],
	...[28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28],
	...[6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6],
	...[5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10],
	...[13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
	...[7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6],
	...[15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5],
	...[6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28],
	...[20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23],
	...[24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24],
	...[22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23],
	...[21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23],
	...[26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25],
	...[19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27],
	...[20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23],
	...[26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26],
	30,
);

const EOS = 256;
const LONGEST_CODE_BITS = 30;

/** The code of each symbol, right-aligned. */
export function huffmanCodes(): Uint32Array {
	const codes = new Uint32Array(HUFFMAN_CODE_BITS.length);
	let next = 0;
	for (let bits = 1; bits <= LONGEST_CODE_BITS; bits++) {
		next *= 2;
		for (let symbol = 0; symbol < codes.length; symbol++) {
			if (HUFFMAN_CODE_BITS[symbol] === bits) codes[symbol] = next++;
		}
	}
	return codes;
}

const STATES = 256;
/** From where no way leads back: EOS was in the string, which section 5.2 forbids. */
const BROKEN = STATES;
/** An entry: the next state in 9 bits, the byte above it, and whether there is one. */
const STATE_BITS = 9;
const STATE_MASK = 0x1ff;
const EMITS = 1 << 17;

interface Steps {
	readonly table: Uint32Array;
	/** States in which a string may end: after whole bytes, or less than eight bits of padding, all ones. */
	readonly mayEnd: Uint8Array;
}

/** Made when the first coded string comes. */
let steps: Steps | undefined;

function makeSteps(): Steps {
	// Children of inner nodes, two each: another inner node, or ~symbol.
	const children = new Int32Array(STATES * 2);
	const codes = huffmanCodes();
	let nodeCount = 1;
	for (let symbol = 0; symbol <= EOS; symbol++) {
		const code = codes[symbol] as number;
		let node = 0;
		for (let bit = (HUFFMAN_CODE_BITS[symbol] as number) - 1; bit > 0; bit--) {
			const child = node * 2 + ((code >>> bit) & 1);
			if (children[child] === 0) children[child] = nodeCount++;
			node = children[child] as number;
		}
		children[node * 2 + (code & 1)] = ~symbol;
	}
	const table = new Uint32Array((STATES + 1) * 16);
	for (let state = 0; state < STATES; state++) {
		for (let nibble = 0; nibble < 16; nibble++) table[state * 16 + nibble] = step(children, state, nibble);
	}
	table.fill(BROKEN, BROKEN * 16);
	const mayEnd = new Uint8Array(STATES + 1);
	for (let bits = 0, node = 0; bits < 8; bits++) {
		mayEnd[node] = 1;
		node = children[node * 2 + 1] as number;
	}
	return { table, mayEnd };
}

function step(children: Int32Array, from: number, nibble: number): number {
	let node = from;
	let emitted = 0;
	for (let bit = 3; bit >= 0; bit--) {
		const child = children[node * 2 + ((nibble >> bit) & 1)] as number;
		if (child === ~EOS) return BROKEN;
		if (child < 0) emitted = EMITS | (~child << STATE_BITS);
		node = child < 0 ? 0 : child;
	}
	return emitted | node;
}

/** Reused; a byte takes five bits at least. */
let decoded: Buffer = Buffer.allocUnsafeSlow(1024);

/** The byte string; undefined when it has EOS in it, or padding that is too long or not of ones. */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number): string | undefined {
	steps ??= makeSteps();
	const { table, mayEnd } = steps;
	const capacity = Math.ceil(((end - start) * 8) / 5);
	if (decoded.length < capacity) decoded = Buffer.allocUnsafeSlow(capacity * 2);
	const out = decoded;
	let length = 0;
	let state = 0;
	for (let at = start; at < end; at++) {
		const byte = bytes[at] as number;
		const high = table[(state << 4) | (byte >> 4)] as number;
		if (high >= EMITS) out[length++] = high >> STATE_BITS;
		const low = table[((high & STATE_MASK) << 4) | (byte & 15)] as number;
		if (low >= EMITS) out[length++] = low >> STATE_BITS;
		state = low & STATE_MASK;
	}
	return mayEnd[state] === 1 ? out.toString('latin1', 0, length) : undefined;
}
