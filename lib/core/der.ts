/** Reading DER (X.690), as far as certificates and OCSP responses need it: elements one after the other, and in each other. */

export interface Element {
	readonly tag: number;
	readonly content: Buffer;
	/** Index behind it. */
	readonly end: number;
}

/** The element at `at`; undefined where there is none. */
export function elementAt(bytes: Buffer, at: number): Element | undefined {
	const tag = bytes[at];
	const first = bytes[at + 1];
	if (tag === undefined || first === undefined) return undefined;
	let start = at + 2;
	let length = first;
	if (first >= 0x80) {
		const size = first & 0x7f;
		if (size === 0 || size > 4 || start + size > bytes.length) return undefined;
		length = bytes.readUIntBE(start, size);
		start += size;
	}
	const end = start + length;
	return end > bytes.length ? undefined : { tag, content: bytes.subarray(start, end), end };
}

/** The elements in a sequence, in order. */
export function elementsOf(bytes: Buffer): readonly Element[] {
	const found: Element[] = [];
	for (let at = 0; ; ) {
		const element = elementAt(bytes, at);
		if (element === undefined) return found;
		found.push(element);
		at = element.end;
	}
}

export function readObjectIdentifier(bytes: Buffer): string {
	const numbers: number[] = [];
	let value = 0;
	for (const byte of bytes) {
		value = value * 128 + (byte & 0x7f);
		if (byte >= 0x80) continue;
		if (numbers.length === 0)
			numbers.push(Math.min(Math.floor(value / 40), 2), value - Math.min(Math.floor(value / 40), 2) * 40);
		else numbers.push(value);
		value = 0;
	}
	return numbers.join('.');
}
