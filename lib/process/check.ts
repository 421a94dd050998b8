/** The configuration looked at without serving it: `-c`, and whether it asks for the background. */
import { loadConfiguration } from '../config/index.js';
import { type Diagnostic, Diagnostics } from '../core/diagnostics.js';
import { HoldfastError } from '../core/errors.js';
import { createLogger } from '../core/logger.js';
import { configurationOptions, readConfigurationFiles } from './configuration.js';
import { printDiagnostics } from './diagnostic-output.js';
import { systemEnvironment } from './env.js';
import { socketRequests } from './listening-socket.js';
import type { ConfigArguments, ConfigFile } from './messages.js';
import { configArguments, type ProgramOptions } from './options.js';
import { FATAL, prepareConfiguration } from './prepare.js';

export interface CheckResult {
	readonly diagnostics: readonly Diagnostic[];
	/** Why it would not start; undefined when it would. */
	readonly failure: string | undefined;
	readonly hasListeners: boolean;
}

/** Reads, checks and compiles a configuration as a worker does, and throws the result away. */
export async function checkConfiguration(paths: readonly string[], args: ConfigArguments): Promise<CheckResult> {
	const diagnostics = new Diagnostics();
	try {
		const files = readConfigurationFiles(paths);
		const prepared = await prepareConfiguration(
			files,
			args,
			diagnostics,
			createLogger({ level: 'silent' }),
			() => undefined,
		);
		const hasListeners = prepared === undefined || socketRequests(prepared.model).length > 0;
		return { diagnostics: diagnostics.list, failure: prepared === undefined ? FATAL : undefined, hasListeners };
	} catch (error) {
		if (!(error instanceof HoldfastError)) throw error;
		return { diagnostics: diagnostics.list, failure: error.message, hasListeners: true };
	}
}

/**
 * Checks the configuration and tells the outcome (`-c`): 0 and `Configuration file is valid`, 2 without any listener,
 * else 1. The check is the worker's own, without its threads and sockets.
 */
export async function checkOnly(options: ProgramOptions): Promise<number> {
	const result = await checkConfiguration(options.configPaths, configArguments(options));
	const print = (text: string): void => systemEnvironment.print(text);
	printDiagnostics(result.diagnostics, options, print);
	if (result.failure !== undefined) {
		print(`[ALERT]    (${process.pid}) : config : ${result.failure}`);
		return 1;
	}
	if (!result.hasListeners) {
		process.stdout.write('Configuration file has no error but will not start (no listener) => exit(2).\n');
		return 2;
	}
	if (!options.quiet) {
		const hasWarnings = result.diagnostics.some(({ severity }) => severity === 'warning');
		process.stdout.write(`${hasWarnings ? 'Warnings were found.\n' : ''}Configuration file is valid\n`);
	}
	return 0;
}

/** True when the files say `daemon`; false too when they do not parse, which is the master's to report. */
export function saysDaemon(files: readonly ConfigFile[], args: ConfigArguments): boolean {
	try {
		return loadConfiguration(configurationOptions(files, args), new Diagnostics())?.global.daemon === true;
	} catch (error) {
		if (error instanceof HoldfastError) return false;
		throw error;
	}
}
