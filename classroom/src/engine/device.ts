/** The device that trains: a GPU that WebGPU offers, else WASM; and the check that it computes q0 as Python did. */

import { defaultDevice, init } from "@jax-js/jax";
import type { Device, Settings, World } from "../contract";
import { forgetPrograms, Transformer } from "./transformer";

export interface Chosen {
  device: Device;
  reason: string; // why it is not the GPU
}

/** The part of WebGPU that is asked here. */
interface Gpu {
  requestAdapter(): Promise<{ info?: { isFallbackAdapter?: boolean }; isFallbackAdapter?: boolean } | null>;
}

/** Largest difference of log q0 from Python's [nat]. Devices round float32 differently, by about 1e-5. */
const CLOSE = 1e-3;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Why there is no GPU to use; "" if there is one. A software adapter is slower than WASM. */
async function missing(): Promise<string> {
  const gpu = (globalThis.navigator as { gpu?: Gpu } | undefined)?.gpu;
  if (gpu === undefined) return "this browser offers no WebGPU here";
  try {
    const adapter = await gpu.requestAdapter();
    if (adapter === null) return "WebGPU has no adapter";
    if (adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter) return "WebGPU has a software adapter only";
    return (await init("webgpu")).includes("webgpu") ? "" : "WebGPU gives no device";
  } catch (error) {
    return `WebGPU failed: ${messageOf(error)}`;
  }
}

async function useWasm(reason: string): Promise<Chosen> {
  if (typeof WebAssembly === "undefined") return { device: "none", reason: "this browser has no WebAssembly" };
  await init("wasm");
  defaultDevice("wasm");
  forgetPrograms();
  return { device: "wasm", reason };
}

/** Choose the device. */
export async function chooseDevice(): Promise<Chosen> {
  const reason = await missing();
  if (reason !== "") return useWasm(reason);
  defaultDevice("webgpu");
  return { device: "webgpu", reason: "" };
}

/** The largest difference between a new transformer's log q0 and Python's; 0 if Python has not computed it. */
async function error(trainer: Transformer, world: World): Promise<number> {
  if (world.logQ0 === null) return 0;
  const { logQ } = await trainer.prepare(new Float64Array(world.logP.length), 0).law();
  return logQ.reduce((most, log, row) => Math.max(most, Math.abs(log - world.logQ0![row])), 0);
}

/**
 * A transformer at q0, and the device that it is on. If a GPU fails or computes another log q0 than Python, WASM takes
 * over. Raises RangeError if WASM computes another one as well.
 */
export async function begun(world: World, settings: Settings, chosen: Chosen): Promise<{ trainer: Transformer; chosen: Chosen }> {
  let reason = "";
  try {
    const trainer = new Transformer(world, settings);
    const far = await error(trainer, world);
    if (far <= CLOSE) return { trainer, chosen };
    reason = `${chosen.device} computes log q0 with an error of ${far.toPrecision(2)} nat`;
    trainer.dispose();
  } catch (problem) {
    if (chosen.device !== "webgpu") throw problem;
    reason = `WebGPU failed: ${messageOf(problem)}`;
  }
  if (chosen.device === "webgpu") return begun(world, settings, await useWasm(reason));
  throw new RangeError(`q0: log q0 of Python within ${CLOSE} nat is required, found otherwise: ${reason}; use another browser`);
}
