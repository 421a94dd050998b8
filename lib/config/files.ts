/** The files of a configuration as they come from the disk; the master reads them, workers get their text. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { HoldfastError, systemReason } from '../core/errors.js';

export interface ConfigurationFile {
	/** As the command line names it; messages show it. */
	readonly path: string;
	/** A byte string, see core/bytes.ts. */
	readonly content: string;
}

/**
 * The files that `-f` words mean: each file as it is, and of a directory its `*.cfg`, hidden ones left out,
 * in the order of their names (management guide, `-f`). Throws a HoldfastError naming what cannot be read.
 */
export function readConfigurationFiles(paths: readonly string[]): ConfigurationFile[] {
	const files: ConfigurationFile[] = [];
	for (const path of paths) {
		try {
			const names = statSync(path).isDirectory()
				? readdirSync(path)
						.filter((name) => name.endsWith('.cfg') && !name.startsWith('.'))
						.map((name) => `${path.replace(/\/+$/, '')}/${name}`)
						.filter((name) => statSync(name).isFile())
						.sort()
				: [path];
			for (const name of names) files.push({ path: name, content: readFileSync(name, 'latin1') });
		} catch (error) {
			throw new HoldfastError(
				'FILE_UNREADABLE',
				`Cannot open configuration file/directory '${path}' : ${systemReason(error)}`,
				{
					cause: error,
				},
			);
		}
	}
	return files;
}
