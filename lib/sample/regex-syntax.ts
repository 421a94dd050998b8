/**
 * Reads a Perl regular expression over bytes and writes it again in the syntax that JavaScript and RE2 share,
 * and estimates what a backtracking search could cost. Every set of bytes becomes an explicit class, letters
 * under "ignore case" a class of two: neither engine's ideas of case, white space or Unicode come in.
 */

export interface RegexCost {
	/** The search takes at most some multiple of length to this power. */
	readonly degree: number;
	/** Optional parts and alternatives: each may double the work. */
	readonly choices: number;
	/** A repetition of something that itself varies. */
	readonly isExponential: boolean;
	/** Look-around and back references, which no linear engine has. */
	readonly needsBacktracking: boolean;
}

export interface TranslatedRegex {
	readonly text: string;
	readonly groupCount: number;
	readonly cost: RegexCost;
}

/** A part of the pattern: its text, and what repeating it would mean. */
interface Part {
	readonly text: string;
	readonly degree: number;
	readonly choices: number;
	/** May match texts of more than one length, or the same text in more than one way. */
	readonly varies: boolean;
	readonly exponential: boolean;
	/** Begins with `^` in every alternative. */
	readonly anchored: boolean;
}

interface Flags {
	readonly ignoreCase: boolean;
	readonly dotAll: boolean;
}

class RegexError extends Error {}

/** Repetitions up to this count are a constant, not a dimension. */
const SMALL_REPEAT = 8;

export function translateRegex(source: string, ignoreCase: boolean): TranslatedRegex | { readonly error: string } {
	const parser = new Parser(source);
	try {
		const part = parser.parseAll({ ignoreCase, dotAll: false });
		const searches = part.anchored ? 0 : 1;
		return {
			text: part.text,
			groupCount: parser.groupCount,
			cost: {
				degree: part.degree === 0 && !part.varies ? 1 : part.degree + searches,
				choices: part.choices,
				isExponential: part.exponential,
				needsBacktracking: parser.needsBacktracking,
			},
		};
	} catch (error) {
		if (error instanceof RegexError) return { error: error.message };
		throw error;
	}
}

class ByteSet {
	readonly bits = new Uint8Array(256);

	addRange(from: number, to: number): this {
		for (let i = from; i <= to; i++) this.bits[i] = 1;
		return this;
	}

	addSet(other: ByteSet): this {
		for (let i = 0; i < 256; i++) if (other.bits[i] === 1) this.bits[i] = 1;
		return this;
	}

	inverse(): ByteSet {
		const result = new ByteSet();
		for (let i = 0; i < 256; i++) result.bits[i] = this.bits[i] === 1 ? 0 : 1;
		return result;
	}

	foldCase(): this {
		for (let i = 65; i <= 90; i++) {
			if (this.bits[i] === 1 || this.bits[i + 32] === 1) {
				this.bits[i] = 1;
				this.bits[i + 32] = 1;
			}
		}
		return this;
	}

	toString(): string {
		let text = '';
		let members = 0;
		for (let from = 0; from < 256; from++) {
			if (this.bits[from] !== 1) continue;
			let to = from;
			while (to < 255 && this.bits[to + 1] === 1) to++;
			text += to === from ? byteText(from) : `${byteText(from)}-${byteText(to)}`;
			members += to - from + 1;
			from = to;
		}
		if (members === 0) return '[^\\x00-\\xff]';
		return `[${text}]`;
	}
}

/** A byte that is the same inside and outside of classes. */
function byteText(code: number): string {
	const isPlain = (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
	return isPlain ? String.fromCharCode(code) : `\\x${code.toString(16).padStart(2, '0')}`;
}

const set = (...ranges: readonly (readonly [number, number])[]): ByteSet => {
	const result = new ByteSet();
	for (const [from, to] of ranges) result.addRange(from, to);
	return result;
};

const DIGITS = set([48, 57]);
const WORD = set([48, 57], [65, 90], [95, 95], [97, 122]);
const SPACE = set([9, 13], [32, 32]);
const BLANK = set([9, 9], [32, 32]);
const VERTICAL = set([10, 13]);
const NOT_NEWLINE = set([10, 10]).inverse();
const ANY = set([0, 255]);

const SET_ESCAPES: ReadonlyMap<string, ByteSet> = new Map([
	['d', DIGITS],
	['D', DIGITS.inverse()],
	['w', WORD],
	['W', WORD.inverse()],
	['s', SPACE],
	['S', SPACE.inverse()],
	['h', BLANK],
	['H', BLANK.inverse()],
	['v', VERTICAL],
	['V', VERTICAL.inverse()],
	['N', NOT_NEWLINE],
]);

const POSIX_SETS: ReadonlyMap<string, ByteSet> = new Map([
	['alpha', set([65, 90], [97, 122])],
	['digit', DIGITS],
	['alnum', set([48, 57], [65, 90], [97, 122])],
	['upper', set([65, 90])],
	['lower', set([97, 122])],
	['space', SPACE],
	['blank', BLANK],
	['punct', set([33, 47], [58, 64], [91, 96], [123, 126])],
	['cntrl', set([0, 31], [127, 127])],
	['graph', set([33, 126])],
	['print', set([32, 126])],
	['xdigit', set([48, 57], [65, 70], [97, 102])],
	['word', WORD],
	['ascii', set([0, 127])],
]);

const CONTROL_ESCAPES: ReadonlyMap<string, number> = new Map([
	['n', 10],
	['r', 13],
	['t', 9],
	['f', 12],
	['a', 7],
	['e', 27],
]);

const fixed = (text: string): Part => ({
	text,
	degree: 0,
	choices: 0,
	varies: false,
	exponential: false,
	anchored: false,
});

/** `\Q...\E` spelled with a backslash before each sign, so that a quantifier after it takes the last char alone. */
function unquote(source: string): string {
	return source.replace(/\\(?:Q([\s\S]*?)(?:\\E|$)|[\s\S])/g, (whole, quoted: string | undefined) =>
		quoted === undefined ? whole : quoted.replace(/[^A-Za-z0-9]/g, '\\$&'),
	);
}

class Parser {
	groupCount = 0;
	needsBacktracking = false;
	readonly #source: string;
	#at = 0;
	readonly #groupNames = new Map<string, number>();

	constructor(source: string) {
		this.#source = unquote(source);
	}

	parseAll(flags: Flags): Part {
		const part = this.#alternatives(flags);
		if (this.#at < this.#source.length) throw new RegexError(`unmatched closing parenthesis at offset ${this.#at}`);
		return part;
	}

	#peek(text: string): boolean {
		return this.#source.startsWith(text, this.#at);
	}

	#take(text: string): boolean {
		if (!this.#peek(text)) return false;
		this.#at += text.length;
		return true;
	}

	#match(pattern: RegExp): RegExpExecArray | undefined {
		pattern.lastIndex = this.#at;
		const match = pattern.exec(this.#source);
		if (match === null) return undefined;
		this.#at = pattern.lastIndex;
		return match;
	}

	#alternatives(flags: Flags): Part {
		// `(?i)` in the middle holds to the end of its group, over the bars that follow.
		const state = { flags };
		const branches = [this.#sequence(state)];
		while (this.#take('|')) branches.push(this.#sequence(state));
		const only = branches[0];
		if (branches.length === 1 && only !== undefined) return only;
		return {
			text: branches.map((branch) => branch.text).join('|'),
			degree: Math.max(...branches.map((branch) => branch.degree)),
			choices: Math.max(...branches.map((branch) => branch.choices)) + 1,
			varies: true,
			exponential: branches.some((branch) => branch.exponential),
			anchored: branches.every((branch) => branch.anchored),
		};
	}

	#sequence(state: { flags: Flags }): Part {
		let text = '';
		let degree = 0;
		let choices = 0;
		let varies = false;
		let exponential = false;
		let anchored = false;
		let first = true;
		while (this.#at < this.#source.length && !this.#peek('|') && !this.#peek(')')) {
			const flagGroup = this.#match(/\(\?([a-z]*)(?:-([a-z]+))?\)/y);
			if (flagGroup !== undefined) {
				state.flags = this.#flags(flagGroup[1] ?? '', flagGroup[2] ?? '', state.flags);
				continue;
			}
			if (this.#match(/\(\?#[^)]*\)/y) !== undefined) continue;
			const part = this.#quantified(this.#atom(state.flags));
			text += part.text;
			degree += part.degree;
			choices += part.choices;
			varies ||= part.varies;
			exponential ||= part.exponential;
			if (first) anchored = part.anchored;
			first = false;
		}
		return { text, degree, choices, varies, exponential, anchored };
	}

	#flags(on: string, off: string, before: Flags): Flags {
		let { ignoreCase, dotAll } = before;
		for (const [letters, value] of [
			[on, true],
			[off, false],
		] as const) {
			for (const letter of letters) {
				if (letter === 'i') ignoreCase = value;
				else if (letter === 's') dotAll = value;
				else throw new RegexError(`option '${letter}' is not supported by holdfast`);
			}
		}
		return { ignoreCase, dotAll };
	}

	#quantified(atom: Part): Part {
		const braces = this.#match(/\{(\d+)(,?)(\d*)\}/y);
		let min: number;
		let max: number;
		let text: string;
		if (braces !== undefined) {
			min = Number(braces[1]);
			max = braces[2] === '' ? min : braces[3] === '' ? Number.POSITIVE_INFINITY : Number(braces[3]);
			if (max < min) throw new RegexError(`numbers out of order in {} quantifier`);
			if (min > 65535 || (max !== Number.POSITIVE_INFINITY && max > 65535)) {
				throw new RegexError('number too big in {} quantifier');
			}
			text = braces[0];
		} else if (this.#take('*')) [min, max, text] = [0, Number.POSITIVE_INFINITY, '*'];
		else if (this.#take('+')) [min, max, text] = [1, Number.POSITIVE_INFINITY, '+'];
		else if (this.#take('?')) [min, max, text] = [0, 1, '?'];
		else return atom;
		if (this.#peek('+')) throw new RegexError('possessive quantifiers are not supported by holdfast');
		const lazy = this.#take('?') ? '?' : '';
		if (this.#match(/[*+?]|\{\d+,?\d*\}/y) !== undefined) {
			throw new RegexError(`quantifier does not follow a repeatable item at offset ${this.#at - 1}`);
		}
		// A bare `^` or `\b` may be repeated in Perl; wrapped, in JavaScript too.
		const body = /^(?:\^|\$|\\[bB])$/.test(atom.text) ? `(?:${atom.text})` : atom.text;
		const grows = min !== max && max > SMALL_REPEAT;
		return {
			text: `${body}${text}${lazy}`,
			degree: (max > 1 && max <= SMALL_REPEAT ? atom.degree * max : atom.degree) + (grows ? 1 : 0),
			choices: atom.choices * (max <= SMALL_REPEAT ? Math.max(max, 1) : 1) + (min !== max && !grows ? max : 0),
			varies: atom.varies || min !== max,
			exponential: atom.exponential || (max > SMALL_REPEAT && atom.varies),
			anchored: atom.anchored && min > 0,
		};
	}

	#atom(flags: Flags): Part {
		const char = this.#source.charAt(this.#at);
		switch (char) {
			case '(':
				return this.#group(flags);
			case '[':
				return fixed(this.#characterClass(flags).toString());
			case '\\':
				return this.#escape(flags);
			case '.':
				this.#at++;
				return fixed((flags.dotAll ? ANY : NOT_NEWLINE).toString());
			case '^':
				this.#at++;
				return { ...fixed('^'), anchored: true };
			case '$':
				this.#at++;
				return fixed('$');
			case '*':
			case '+':
			case '?':
				throw new RegexError(`quantifier does not follow a repeatable item at offset ${this.#at}`);
			default:
				this.#at++;
				return this.#literal(char.charCodeAt(0), flags);
		}
	}

	#literal(code: number, flags: Flags): Part {
		if (code > 255) throw new RegexError('not a byte string');
		const isLetter = (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
		if (flags.ignoreCase && isLetter) return fixed(set([code, code]).foldCase().toString());
		return fixed(byteText(code));
	}

	#group(flags: Flags): Part {
		const start = this.#at;
		this.#at++;
		let open = '(';
		let inner = flags;
		const look = this.#match(/\?(?:<?[=!])/y);
		if (look !== undefined) {
			open = `(${look[0]}`;
			this.needsBacktracking = true;
		} else if (this.#peek('?')) {
			const name = this.#match(/\?P?<([A-Za-z_]\w*)>|\?'([A-Za-z_]\w*)'/y);
			const options = name === undefined ? this.#match(/\?([a-z]*)(?:-([a-z]+))?:/y) : undefined;
			if (name !== undefined) {
				this.#groupNames.set(name[1] ?? name[2] ?? '', ++this.groupCount);
			} else if (options !== undefined) {
				open = '(?:';
				inner = this.#flags(options[1] ?? '', options[2] ?? '', flags);
			} else {
				const reference = this.#match(/\?P=(\w+)\)/y);
				if (reference !== undefined) return this.#backReference(this.#groupNames.get(reference[1] ?? ''));
				if (this.#peek('?>')) throw new RegexError('atomic groups are not supported by holdfast');
				throw new RegexError(`unrecognized or unsupported group at offset ${start}`);
			}
		} else if (this.#peek('*')) throw new RegexError('verbs are not supported by holdfast');
		else this.groupCount++;
		const body = this.#alternatives(inner);
		if (!this.#take(')')) throw new RegexError(`missing closing parenthesis, opened at offset ${start}`);
		return { ...body, text: `${open}${body.text})`, anchored: body.anchored && look === undefined };
	}

	#backReference(group: number | undefined): Part {
		if (group === undefined || group === 0 || group > this.groupCount) {
			throw new RegexError('reference to a group that does not exist');
		}
		this.needsBacktracking = true;
		return { ...fixed(`(?:\\${group})`), varies: true };
	}

	#escape(flags: Flags): Part {
		const start = this.#at;
		this.#at++;
		const char = this.#source.charAt(this.#at);
		if (char === '') throw new RegexError('\\ at end of pattern');
		const bytes = SET_ESCAPES.get(char);
		if (bytes !== undefined) {
			this.#at++;
			return fixed(bytes.toString());
		}
		switch (char) {
			case 'b':
			case 'B':
				this.#at++;
				return fixed(`\\${char}`);
			case 'A':
				this.#at++;
				return { ...fixed('^'), anchored: true };
			case 'Z':
			case 'z':
				this.#at++;
				return fixed('$');
			case 'R':
				this.#at++;
				return { ...fixed('(?:\\x0d\\x0a|[\\x0a-\\x0d])'), varies: true };
			case 'E':
				this.#at++;
				return fixed('');
		}
		// `\10` and up are octal bytes unless there are as many groups.
		const octal = this.#match(/(?!0)[0-7]{2,3}/y);
		if (octal !== undefined) {
			if (Number(octal[0]) <= this.groupCount) return this.#backReference(Number(octal[0]));
			return this.#literal(Number.parseInt(octal[0], 8), flags);
		}
		const reference = this.#match(/g\{?(\d+)\}?|k[<{'](\w+)[>}']|([1-9])/y);
		if (reference !== undefined) {
			const named = reference[2];
			const number = named === undefined ? Number(reference[1] ?? reference[3]) : this.#groupNames.get(named);
			return this.#backReference(number);
		}
		this.#at = start;
		return this.#literal(this.#escapedByte(), flags);
	}

	/** The byte of an escape that stands for one, from the backslash on. */
	#escapedByte(): number {
		this.#at++;
		const hex = this.#match(/x\{([0-9a-fA-F]{1,2})\}|x([0-9a-fA-F]{0,2})/y);
		if (hex !== undefined) return Number.parseInt(hex[1] ?? hex[2] ?? '0', 16) || 0;
		const octal = this.#match(/0[0-7]{0,2}/y);
		if (octal !== undefined) return Number.parseInt(octal[0], 8);
		const control = this.#match(/c([@-_a-z])/y);
		if (control !== undefined) return (control[1] ?? '').toUpperCase().charCodeAt(0) ^ 64;
		const char = this.#source.charAt(this.#at++);
		const code = CONTROL_ESCAPES.get(char);
		if (code !== undefined) return code;
		if (/[A-Za-z0-9]/.test(char)) throw new RegexError(`escape '\\${char}' is not supported by holdfast`);
		return char.charCodeAt(0);
	}

	#characterClass(flags: Flags): ByteSet {
		const start = this.#at;
		this.#at++;
		const negated = this.#take('^');
		const result = new ByteSet();
		for (let first = true; ; first = false) {
			if (this.#at >= this.#source.length) {
				throw new RegexError(`missing terminating ] for character class, opened at offset ${start}`);
			}
			if (!first && this.#take(']')) break;
			const posix = this.#match(/\[:(\^?)([a-z]+):\]/y);
			if (posix !== undefined) {
				const bytes = POSIX_SETS.get(posix[2] ?? '');
				if (bytes === undefined) throw new RegexError(`unknown POSIX class name '${posix[2]}'`);
				result.addSet(posix[1] === '^' ? bytes.inverse() : bytes);
				continue;
			}
			const low = this.#classMember();
			if (low instanceof ByteSet) {
				result.addSet(low);
				continue;
			}
			const isRange =
				this.#peek('-') && this.#source.charAt(this.#at + 1) !== ']' && this.#at + 1 < this.#source.length;
			if (!isRange) {
				result.addRange(low, low);
				continue;
			}
			this.#at++;
			const high = this.#classMember();
			if (high instanceof ByteSet) {
				result.addRange(low, low).addRange(45, 45).addSet(high);
			} else {
				if (high < low) throw new RegexError('range out of order in character class');
				result.addRange(low, high);
			}
		}
		if (flags.ignoreCase) result.foldCase();
		return negated ? result.inverse() : result;
	}

	#classMember(): number | ByteSet {
		if (!this.#peek('\\')) {
			const code = this.#source.charCodeAt(this.#at++);
			if (code > 255) throw new RegexError('not a byte string');
			return code;
		}
		const char = this.#source.charAt(this.#at + 1);
		if (char === '') throw new RegexError('\\ at end of pattern');
		const bytes = SET_ESCAPES.get(char);
		if (bytes !== undefined) {
			this.#at += 2;
			return bytes;
		}
		if (char === 'b') {
			this.#at += 2;
			return 8;
		}
		return this.#escapedByte();
	}
}
