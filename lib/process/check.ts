/** The configuration looked at without serving it: `-c`, and whether it asks for the background. */
import { allocateShared, compileForControl, resolveServerNames } from '../compile/index.js';
import { loadConfiguration } from '../config/index.js';
import type { ConfigModel } from '../config/model.js';
import { type Diagnostic, Diagnostics } from '../core/diagnostics.js';
import { HoldfastError } from '../core/errors.js';
import { createLogger } from '../core/logger.js';
import { configurationOptions, readConfigurationFiles } from './configuration.js';
import { socketRequests } from './listening-socket.js';
import type { ConfigArguments, ConfigFile } from './messages.js';

const FATAL = 'Fatal errors found in configuration.';

export interface CheckResult {
	readonly diagnostics: readonly Diagnostic[];
	/** Why it would not start; undefined when it would. */
	readonly failure: string | undefined;
	readonly hasListeners: boolean;
}

/** Reads, checks and compiles a configuration as a worker does, and throws the result away. */
export async function checkConfiguration(paths: readonly string[], args: ConfigArguments): Promise<CheckResult> {
	const diagnostics = new Diagnostics();
	let model: ConfigModel | undefined;
	const failed = (failure: string): CheckResult => ({ diagnostics: diagnostics.list, failure, hasListeners: true });
	try {
		model = loadConfiguration(configurationOptions(readConfigurationFiles(paths), args), diagnostics);
		if (model === undefined) return failed(FATAL);
		const resolved = await resolveServerNames(model, diagnostics, args.ignoreResolutionFailures);
		compileForControl(model, allocateShared(model, resolved), diagnostics, createLogger({ level: 'silent' }));
	} catch (error) {
		if (!(error instanceof HoldfastError)) throw error;
		return failed(error.message);
	}
	if (diagnostics.errorCount > 0) return failed(FATAL);
	if (args.zeroWarning && diagnostics.warningCount > 0) {
		return failed("Some warnings were found and 'zero-warning' is set. Aborting.");
	}
	return { diagnostics: diagnostics.list, failure: undefined, hasListeners: socketRequests(model).length > 0 };
}

/** True when the files say `daemon`; false too when they do not parse. */
export function saysDaemon(files: readonly ConfigFile[], args: ConfigArguments): boolean {
	return loadConfiguration(configurationOptions(files, args), new Diagnostics())?.global.daemon === true;
}
