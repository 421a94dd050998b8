/**
 * The program: reads the command line and leaves with the exit code of what it asked for. What a start does not need is
 * in commands.ts, and loaded when it is asked for.
 */
import { HoldfastError, systemReason } from '../lib/core/errors.js';
import { LANGUAGE_LINE, VERSION_LINE } from '../lib/core/version.js';
import { run } from '../lib/process/launch.js';
import { parseArguments, USAGE } from './arguments.js';
import type { CommandLine } from './commands.js';
import { explained } from './explained.js';

async function main(): Promise<number> {
	const options = parseArguments(process.argv.slice(2));
	if ('help' in options) return 0;
	const isProgram = !('reload' in options || 'top' in options || 'cli' in options);
	if (isProgram && options.version === 'short') {
		process.stdout.write(`${VERSION_LINE}\n${LANGUAGE_LINE}\n`);
		return 0;
	}
	if (!isProgram || options.version !== undefined || options.condition !== undefined) return command(options);
	if (options.configPaths.length === 0) {
		process.stderr.write(`${VERSION_LINE}\n${USAGE}`);
		return 1;
	}
	if (options.workingDirectory !== undefined) changeDirectory(options.workingDirectory);
	if (options.check) return command(options);
	return run(options, async (files, args) => (await import('./commands.js')).saysDaemon(files, args));
}

/** `-C`. */
function changeDirectory(path: string): void {
	try {
		process.chdir(path);
	} catch (error) {
		throw new HoldfastError('FILE_UNREADABLE', `Could not change to directory ${path} : ${systemReason(error)}`, {
			cause: error,
		});
	}
}

async function command(options: CommandLine): Promise<number> {
	return (await import('./commands.js')).runCommand(options);
}

void explained(main).then((code) => process.exit(code));
