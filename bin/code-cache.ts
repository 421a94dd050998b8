/**
 * The file that holds the code cache of a program: checksums of the program's text and of the cache, then what V8 has made
 * of the text. The build writes it (build/record.ts), the loader reads it (loader.ts).
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';

const HEADER_BYTES = 8;

/** `text`: of the program. Undefined when the file is missing, damaged or of another text. */
export function readCodeCache(path: string, text: Buffer): Buffer | undefined {
	try {
		const file = readFileSync(path);
		const cache = file.subarray(HEADER_BYTES);
		return file.readUInt32LE(0) === crc32(text) && file.readUInt32LE(4) === crc32(cache) ? cache : undefined;
	} catch {
		return undefined;
	}
}

/** Takes its name only when it is complete. */
export function writeCodeCache(path: string, text: Buffer, cache: Buffer): void {
	const header = Buffer.alloc(HEADER_BYTES);
	header.writeUInt32LE(crc32(text), 0);
	header.writeUInt32LE(crc32(cache), 4);
	writeFileSync(`${path}.new`, Buffer.concat([header, cache]));
	renameSync(`${path}.new`, path);
}
