/**
 * All that the program does but serve. It is a program of its own, since a start should not wait for it to be read
 * (build/main.ts); so the errors in it are told here, where their class is known.
 */
import { evaluateCondition } from '../lib/config/index.js';
import { tokenizeLine } from '../lib/config/lexer.js';
import { LANGUAGE_LINE, VERSION_LINE } from '../lib/core/version.js';
import { describeBuild } from '../lib/process/build.js';
import { checkOnly } from '../lib/process/check.js';
import { runCli } from '../lib/process/cli.js';
import { runReload } from '../lib/process/reload-command.js';
import { runTop } from '../lib/process/top-command.js';
import type { parseArguments } from './arguments.js';
import { explained } from './explained.js';

export { saysDaemon } from '../lib/process/check.js';

export type CommandLine = Exclude<ReturnType<typeof parseArguments>, { help: unknown }>;

function environmentOfProcess(): Map<string, string> {
	return new Map(Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

/** `-cc`: read as the words after `.if` are, with quotes and variables (manual, 2.4). */
function tellCondition(condition: string): number {
	const environment = environmentOfProcess();
	const tokens = tokenizeLine(condition, environment, { file: '', line: 0, section: '' });
	const result = tokens.ok ? evaluateCondition(tokens.words.join(' '), { environment }) : tokens;
	if (result.ok) return result.value ? 0 : 1;
	process.stderr.write(`[ALERT]    (${process.pid}) : config : Failed to evaluate condition: ${result.reason}\n`);
	return 2;
}

/** Resolves with the exit code. */
export function runCommand(options: CommandLine): Promise<number> {
	return explained(async () => {
		if ('reload' in options) return runReload(options.reload);
		if ('top' in options) return runTop(options.top);
		if ('cli' in options) return runCli(options.cli);
		if (options.version !== undefined) {
			process.stdout.write(`${VERSION_LINE}\n${LANGUAGE_LINE}\n${describeBuild()}`);
			return 0;
		}
		if (options.condition !== undefined) return tellCondition(options.condition);
		return checkOnly(options);
	});
}
