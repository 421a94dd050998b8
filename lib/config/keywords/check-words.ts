/**
 * The words of one `http-check` or `tcp-check` line, read from the left: what is wrong is said once, under the name of
 * the line.
 */
import type { Statement } from '../statement.js';

/** Reads `name value` pairs of one rule line from the left; what is no pair ends it. */
export class StepWords {
	readonly statement: Statement;
	readonly title: string;
	at: number;
	failed = false;

	constructor(statement: Statement) {
		this.statement = statement;
		this.title = statement.words.slice(0, 2).join(' ');
		this.at = 2;
	}

	get word(): string {
		return this.statement.word(this.at);
	}

	get ended(): boolean {
		return this.at >= this.statement.words.length;
	}

	/** The word after the present one; both are taken. */
	value(): string {
		const name = this.word;
		const value = this.statement.words[this.at + 1];
		this.at += 2;
		if (value === undefined) this.fail(`expects an argument after '${name}'`);
		return value ?? '';
	}

	choice<T extends string>(choices: readonly T[]): T | undefined {
		const name = this.word;
		const value = this.value();
		const found = choices.find((choice) => choice === value);
		if (found === undefined && !this.failed) {
			this.fail(`: '${name}' expects ${choices.map((choice) => `'${choice}'`).join(', ')}, got '${value}'`);
		}
		return found;
	}

	fail(text: string): void {
		if (!this.failed) this.statement.alert(`'${this.title}' ${text}.`);
		this.failed = true;
	}
}

const HEX = /^(?:[0-9a-fA-F]{2})*$/;

export function bytesOfHex(text: string, words: StepWords): string {
	if (!HEX.test(text)) words.fail(`expects a binary string, invalid hexadecimal digits or an odd number of them`);
	return Buffer.from(text, 'hex').toString('latin1');
}
