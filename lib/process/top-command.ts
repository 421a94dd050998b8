/** `holdfast top`: finds the stats socket as `holdfast cli` does, and shows what goes on behind it. */
import { setTimeout as pause } from 'node:timers/promises';
import { HoldfastError } from '../core/errors.js';
import { ask } from '../runtime-api/client.js';
import { drawTop, printTop } from '../runtime-api/top/run.js';
import { FIRST_CHOICES, type View } from '../runtime-api/top/screen.js';
import { SECTIONS, type SectionName } from '../runtime-api/top/sections.js';
import { TopSource } from '../runtime-api/top/source.js';
import { findSocket } from './cli.js';

export interface TopCommandOptions {
	readonly configPaths: readonly string[];
	readonly socket: string | undefined;
	/** A screen is drawn on terminals only; elsewhere one is printed. */
	readonly mode: 'screen' | 'once' | 'batch';
	readonly intervalMs: number;
	/** Screens to print in batch mode; undefined: until somebody ends it. */
	readonly count: number | undefined;
	readonly view: View;
	readonly sort: string | undefined;
}

/** Throws HoldfastError as `runCli`. Resolves with the exit code. */
export async function runTop(options: TopCommandOptions): Promise<number> {
	const { mode, intervalMs, count, view, sort } = options;
	const choices = { ...FIRST_CHOICES, view, sorts: chosenSorts(view, sort) };
	const address = findSocket(options);
	const source = new TopSource(
		(line) => ask(address, line),
		() => Date.now(),
	);
	const { stdin, stdout, env } = process;
	const isTerminal = stdin.isTTY === true && stdout.isTTY === true && env.TERM !== 'dumb';
	// no-color.org: any value but an empty one.
	const hasColour = isTerminal && (env.NO_COLOR ?? '') === '';
	if (mode === 'screen' && isTerminal) {
		return drawTop(source, { intervalMs, choices, hasColour }, stdin, stdout);
	}
	// Who reads no further (`| head`) has seen enough.
	stdout.on('error', () => process.exit(0));
	await printTop(
		source,
		{ intervalMs, choices, hasColour: false },
		mode === 'batch' ? (count ?? Number.POSITIVE_INFINITY) : 1,
		stdout.columns,
		(text) => void stdout.write(text),
		(ms) => pause(ms),
	);
	return 0;
}

function chosenSorts(view: View, sort: string | undefined): Map<SectionName, string> {
	const sorts = new Map<SectionName, string>();
	if (sort === undefined) return sorts;
	const meant = SECTIONS.filter(({ name }) => view === 'all' || name === view);
	for (const section of meant) if (section.sorts.includes(sort)) sorts.set(section.name, sort);
	if (sorts.size === 0) {
		const known = [...new Set(meant.flatMap((section) => section.sorts))].join(', ');
		throw new HoldfastError('ARGUMENT_INVALID', `'${sort}' is no order of this view, which has: ${known}`);
	}
	return sorts;
}
