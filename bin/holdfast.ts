/**
 * The program: reads the command line and leaves with the exit code of what it asked for. Each branch loads what
 * it needs and no more: the start of the load balancer waits for nothing else.
 */
import { HoldfastError } from '../lib/core/errors.js';
import { VERSION_LINE } from '../lib/core/version.js';
import { parseArguments, USAGE } from './arguments.js';

function environmentOfProcess(): Map<string, string> {
	return new Map(Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

async function main(): Promise<number> {
	const options = parseArguments(process.argv.slice(2));
	if ('help' in options) return 0;
	if ('reload' in options) return (await import('../lib/process/reload-command.js')).runReload(options.reload);
	if ('top' in options) return (await import('../lib/process/top-command.js')).runTop(options.top);
	if ('cli' in options) return (await import('../lib/process/cli.js')).runCli(options.cli);
	if (options.version !== undefined) {
		process.stdout.write(`${VERSION_LINE}\n`);
		if (options.version === 'full') process.stdout.write((await import('../lib/process/build.js')).describeBuild());
		return 0;
	}
	if (options.condition !== undefined) {
		const { evaluateCondition } = await import('../lib/config/index.js');
		const result = evaluateCondition(options.condition, { environment: environmentOfProcess() });
		if (result.ok) return result.value ? 0 : 1;
		process.stderr.write(`[ALERT]    (${process.pid}) : config : ${result.reason}\n`);
		return 2;
	}
	if (options.configPaths.length === 0) {
		process.stderr.write(`${VERSION_LINE}\n${USAGE}`);
		return 1;
	}
	if (options.workingDirectory !== undefined) process.chdir(options.workingDirectory);
	const { checkOnly, run } = await import('../lib/process/launch.js');
	return options.check ? checkOnly(options) : run(options);
}

main().then(
	(code) => process.exit(code),
	(error: unknown) => {
		if (!(error instanceof HoldfastError)) throw error;
		process.stderr.write(
			`[ALERT]    (${process.pid}) : ${error.message}\n${error.code === 'ARGUMENT_INVALID' ? USAGE : ''}`,
		);
		process.exit(1);
	},
);
