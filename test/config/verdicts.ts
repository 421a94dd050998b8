/** Reads test/fixtures/config/verdicts.txt: one line, one small configuration, and what is to become of it. */
import { readFileSync } from 'node:fs';

export interface VerdictCase {
	/** `frontend: bind :80`, unique in the file. */
	readonly name: string;
	readonly text: string;
	readonly acceptedHere: boolean;
	readonly acceptedByHaproxy: boolean;
}

const TIMEOUTS = 'timeout client 1s\ntimeout server 1s\ntimeout connect 1s\n';
const BACKEND = 'backend be\nmode http\n';
const TABLE = 'backend be-table\nstick-table type ip size 1k store gpc0\n';

/** The file around the lines of each section; every reference that the cases make leads somewhere. */
const AROUND: Readonly<Record<string, (lines: string) => string>> = {
	top: (lines) => lines,
	global: (lines) => `global\n${lines}${BACKEND}`,
	defaults: (lines) => `defaults\nmode http\n${TIMEOUTS}${lines}`,
	frontend: (lines) => `defaults\nmode http\n${TIMEOUTS}${BACKEND}${TABLE}frontend fe\nbind 127.0.0.1:7999\n${lines}`,
	ring: (lines) =>
		`global\nlog ring@under-test local0\ndefaults\nmode http\n${TIMEOUTS}${BACKEND}ring under-test\ntimeout connect 1s\ntimeout server 1s\n${lines}`,
	backend: (lines) => `defaults\nmode http\n${TIMEOUTS}backend under-test\n${lines}`,
};

export function readVerdictCases(path: string): VerdictCase[] {
	const cases: VerdictCase[] = [];
	let section = '';
	for (const line of readFileSync(path, 'latin1').split('\n')) {
		const header = /^\[(\w+)\]$/.exec(line);
		if (header !== null) section = header[1] ?? '';
		const match = /^([-+<>])(?: (.*))?$/.exec(line);
		if (match === null) continue;
		const around = AROUND[section];
		if (around === undefined) throw new Error(`unknown section [${section}] in ${path}`);
		const lines = (match[2] ?? '').split(' ;; ').join('\n');
		cases.push({
			name: `${section}: ${match[2] ?? '(nothing)'}`,
			text: around(`${lines}\n`),
			acceptedHere: match[1] === '+' || match[1] === '>',
			acceptedByHaproxy: match[1] === '+' || match[1] === '<',
		});
	}
	return cases;
}
