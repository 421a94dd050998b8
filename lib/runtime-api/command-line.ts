/**
 * From the bytes of a connection to commands (management guide, 9.3): a line holds one or more commands
 * separated by `;`, a backslash takes the meaning from the character behind it, and a line that ends in
 * `<<` is followed by a payload up to the next empty line.
 *
 * The input is bounded: a line, or a line with its payload, may take as much as `limitBytes`. What is longer
 * is reported once, and nothing behind it is looked at, since nobody can tell any more where a command begins.
 */

export interface ParsedCommand {
	readonly words: readonly string[];
	readonly payload: string | undefined;
}

/** A line and, if it asked for one, its payload. */
export interface InputLine {
	readonly commands: readonly ParsedCommand[];
}

export const TOO_LONG = Symbol('input too long');
/** A line was read that begins or continues a payload: an interactive client is shown `+ `. */
export const PAYLOAD_GOES_ON = Symbol('payload goes on');

const PAYLOAD_MARK = '<<';

export class CommandReader {
	readonly #limitBytes: number;
	#buffer = '';
	/** Length of the buffer known to be without a newline. */
	#scanned = 0;
	#payloadLine: string | undefined;
	#payload: string[] = [];
	#payloadBytes = 0;

	constructor(limitBytes: number) {
		this.#limitBytes = limitBytes;
	}

	/** Bytes of input that wait. */
	get pendingBytes(): number {
		return this.#buffer.length;
	}

	/** Whether lines are being gathered for a payload. */
	get inPayload(): boolean {
		return this.#payloadLine !== undefined;
	}

	push(text: string): void {
		this.#buffer += text;
	}

	/**
	 * The next line with everything that belongs to it; undefined: more bytes are needed. `TOO_LONG`: nothing more can
	 * be read from this client.
	 */
	next(): InputLine | typeof TOO_LONG | typeof PAYLOAD_GOES_ON | undefined {
		const raw = this.#takeLine();
		if (raw === undefined || raw === TOO_LONG) return raw;
		const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
		if (this.#payloadLine === undefined) {
			if (!endsInPayloadMark(line)) return { commands: splitCommands(line, undefined) };
			this.#payloadLine = line;
			this.#payloadBytes = line.length;
			return PAYLOAD_GOES_ON;
		}
		if (line !== '') {
			this.#payload.push(line);
			this.#payloadBytes += line.length + 1;
			return this.#payloadBytes > this.#limitBytes ? TOO_LONG : PAYLOAD_GOES_ON;
		}
		const payload = this.#payload;
		const text = this.#payloadLine.trimEnd().slice(0, -PAYLOAD_MARK.length);
		this.#payloadLine = undefined;
		this.#payload = [];
		return { commands: splitCommands(text, payload.join('\n')) };
	}

	#takeLine(): string | typeof TOO_LONG | undefined {
		const end = this.#buffer.indexOf('\n', this.#scanned);
		if (end < 0) {
			this.#scanned = this.#buffer.length;
			return this.#scanned > this.#limitBytes ? TOO_LONG : undefined;
		}
		if (end > this.#limitBytes) return TOO_LONG;
		const line = this.#buffer.slice(0, end);
		this.#buffer = this.#buffer.slice(end + 1);
		this.#scanned = 0;
		return line;
	}
}

/** A word of its own at the end of the line (management guide, 9.3). */
function endsInPayloadMark(line: string): boolean {
	return /(?:^|[ \t])<<[ \t]*$/.test(line);
}

/** The commands of a line; an empty line is one command without words. The payload belongs to the last one. */
export function splitCommands(line: string, payload: string | undefined): ParsedCommand[] {
	const commands: string[][] = [];
	let words: string[] = [];
	let word: string | undefined;
	const endWord = (): void => {
		if (word !== undefined) words.push(word);
		word = undefined;
	};
	for (let i = 0; i < line.length; i++) {
		const char = line.charAt(i);
		if (char === '\\' && i + 1 < line.length) {
			word = (word ?? '') + line.charAt(++i);
		} else if (char === ';') {
			endWord();
			commands.push(words);
			words = [];
		} else if (char === ' ' || char === '\t') endWord();
		else word = (word ?? '') + char;
	}
	endWord();
	// What follows the last semicolon is a command only if there is something.
	if (words.length > 0 || commands.length === 0 || payload !== undefined) commands.push(words);
	return commands.map((one, index) => ({
		words: one,
		payload: index === commands.length - 1 ? payload : undefined,
	}));
}
