/**
 * What the command line asked for, as data. `bin/arguments.ts` reads it; everything in `process/` works from
 * it, so that tests start a master without a command line.
 */
import type { LoggerLevel } from '../core/logger.js';
import type { ConfigArguments } from './messages.js';

export interface ProgramOptions {
	readonly configPaths: readonly string[];
	readonly check: boolean;
	/** `-cc`: evaluate this condition and leave. */
	readonly condition: string | undefined;
	readonly workingDirectory: string | undefined;
	readonly localPeer: string | undefined;
	readonly maxconn: number | undefined;
	readonly memoryLimitMb: number | undefined;
	readonly pidfile: string | undefined;
	readonly daemon: boolean;
	readonly masterWorker: boolean;
	readonly notifySystemd: boolean;
	/** `-db`: stay in the foreground, whatever the file says. */
	readonly foreground: boolean;
	readonly debug: boolean;
	/** `--log-level`: least important lines of the program's own log. */
	readonly logLevel: LoggerLevel | undefined;
	readonly quiet: boolean;
	readonly verbose: boolean;
	readonly version: 'short' | 'full' | undefined;
	readonly finishPids: readonly number[];
	readonly terminatePids: readonly number[];
	readonly masterSocket: string | undefined;
	readonly zeroWarning: boolean;
	readonly ignoreResolutionFailures: boolean;
	readonly skipServerVerify: boolean;
	readonly diagnostics: boolean;
	/** Words that are accepted and do nothing here, with the reason, said under `-V`. */
	readonly withoutEffect: readonly { readonly word: string; readonly reason: string }[];
}

/** The part of them that changes what the configuration means. */
export function configArguments(options: ProgramOptions): ConfigArguments {
	return {
		localpeer: options.localPeer,
		maxconn: options.maxconn,
		masterWorker: options.masterWorker,
		daemon: options.daemon && !options.foreground,
		pidfile: options.pidfile,
		diagnosticMode: options.diagnostics,
		ignoreResolutionFailures: options.ignoreResolutionFailures,
		skipServerVerify: options.skipServerVerify,
		zeroWarning: options.zeroWarning,
	};
}
