/** What `-vv` tells: how the program was built, what it runs on, and every keyword with yes or no. */
import { availableParallelism } from 'node:os';
import { FEATURES, LANGUAGE_VERSION } from '../config/index.js';
import { describeKeywords } from './keyword-matrix.js';

/** Lines after the version line of `-vv`, each ended. */
export function describeBuild(): string {
	const { versions } = process;
	const features = [...FEATURES].map(([name, present]) => `${present ? '+' : '-'}${name}`).join(' ');
	return [
		`Running on: Node.js ${versions.node}, V8 ${versions.v8}, libuv ${versions.uv}, OpenSSL ${versions.openssl}, zlib ${versions.zlib}`,
		`Platform: ${process.platform} ${process.arch}, ${availableParallelism()} processors`,
		`Language: that of HAProxy ${LANGUAGE_VERSION}`,
		`Engines: native (default), node (tune.http.engine)`,
		'',
		`Feature list : ${features}`,
		describeKeywords(),
	].join('\n');
}
