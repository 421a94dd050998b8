/**
 * Finds the command that a line means, and lists what there is: all of it, what begins like what was typed, or
 * what is nearest to a typing mistake.
 */
import {
	type Answer,
	type Command,
	fault,
	type Invocation,
	type Level,
	levelAllows,
	PERMISSION_DENIED,
} from './command.js';

/** Column of the colon in `help`. */
const USAGE_WIDTH = 40;
/** Words that differ more than this share of their letters are not meant. */
const NEAR_SHARE = 0.4;

/** Known to every client of HAProxy; what they do is in cli-session.ts. */
const ALWAYS: readonly (readonly [usage: string, help: string])[] = [
	['help [<command>]', 'list matching or all commands'],
	['prompt', 'toggle interactive mode with prompt'],
	['quit', 'disconnect'],
];

export class CommandRegistry {
	readonly #commands: readonly Command[];
	readonly #byFirstWord = new Map<string, Command[]>();

	constructor(commands: readonly Command[]) {
		this.#commands = [...commands].sort((a, b) => (a.usage < b.usage ? -1 : 1));
		for (const command of commands) {
			const first = command.words[0] ?? '';
			const list = this.#byFirstWord.get(first);
			if (list === undefined) this.#byFirstWord.set(first, [command]);
			else list.push(command);
		}
		// The command with the most words is tried first: `set server` before `set`.
		for (const list of this.#byFirstWord.values()) list.sort((a, b) => b.words.length - a.words.length);
	}

	get commands(): readonly Command[] {
		return this.#commands;
	}

	find(words: readonly string[]): Command | undefined {
		return this.#byFirstWord
			.get(words[0] ?? '')
			?.find((command) => command.words.every((word, index) => word === words[index]));
	}

	/** Checks the level before anything else is looked at: a command that is denied has not even read its arguments. */
	run(invocation: Invocation): Answer | Promise<Answer> {
		const command = this.find(invocation.words);
		if (command === undefined) return fault(this.unknown(invocation.words, invocation.state.level));
		if (!levelAllows(invocation.state.level, command.level)) return PERMISSION_DENIED;
		return command.run(invocation);
	}

	/** `help`, `help show`. */
	help(words: readonly string[], level: Level): string {
		const matching = words.length === 0 ? this.#commands : this.#beginning(words);
		const listed = matching.length === 0 ? this.#near(words) : matching;
		return this.#list('The following commands are valid at this level:', listed, level);
	}

	unknown(words: readonly string[], level: Level): string {
		if (words.length === 0) {
			return this.#list('Unknown command. Please enter one of the following commands only:', this.#commands, level);
		}
		const beginning = this.#beginning(words).filter(isListed);
		const near = beginning.length > 0 ? beginning : this.#near(words);
		const listed = near.length > 0 ? near : (this.#byFirstWord.get(words[0] ?? '') ?? []);
		if (!listed.some(isListed)) {
			return this.#list('Unknown command. Please enter one of the following commands only:', this.#commands, level);
		}
		return this.#list('Unknown command, but maybe one of the following ones is a better match:', listed, level);
	}

	#list(title: string, commands: readonly Command[], level: Level): string {
		const lines = commands
			.filter((command) => isListed(command) && levelAllows(level, command.level))
			.map((command) => [command.usage, command.help] as const);
		return [title, ...[...lines, ...ALWAYS].map(([usage, help]) => `  ${usage.padEnd(USAGE_WIDTH)}: ${help}`)].join(
			'\n',
		);
	}

	#beginning(words: readonly string[]): Command[] {
		return this.#commands.filter((command) =>
			words.every((word, index) => index >= command.words.length || command.words[index]?.startsWith(word) === true),
		);
	}

	#near(words: readonly string[]): Command[] {
		const typed = words.slice(0, 3).join(' ').slice(0, 64);
		const scored = this.#commands
			.filter(isListed)
			.map((command) => {
				const meant = command.words.join(' ');
				return { command, share: distance(typed, meant) / Math.max(typed.length, meant.length) };
			})
			.filter(({ share }) => share <= NEAR_SHARE)
			.sort((a, b) => a.share - b.share);
		return scored.slice(0, 5).map(({ command }) => command);
	}
}

const isListed = (command: Command): boolean => command.hidden !== true;

/** Levenshtein's. Both texts are short. */
function distance(a: string, b: string): number {
	let row = Array.from({ length: b.length + 1 }, (_, index) => index);
	for (let i = 1; i <= a.length; i++) {
		const next = [i];
		for (let j = 1; j <= b.length; j++) {
			const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
			next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
		}
		row = next;
	}
	return row[b.length]!;
}
