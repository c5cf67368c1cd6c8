/** Bugs in what a replica says of what it holds, and in what it removes. */
import { decodeUtf8, type ExchangeDiffers, encodeUtf8, hlcFromMs, type NodeId } from "@hearsay/core";
import type { ClusterMember, MemberPorts, RecordStore } from "@hearsay/node";
import type { Hooks } from "../cluster/composition.ts";
import type { Machine } from "../cluster/machine.ts";
import type { Mutant } from "./mutant.ts";

const EQUAL_ROOTS = "0".repeat(64);
const YOUNG_MS = 2_000;
const PURGE_MAX = 1_000;

export const COMPLETENESS_MUTANTS: readonly Mutant[] = [
  {
    name: "purge_by_age_alone",
    breaks: "age alone never purges",
    hooks: () => {
      const purges = new Map<Machine, () => Promise<unknown>>();
      return {
        memberPorts: ({ graveyard, clock }, machine) => {
          purges.set(machine, () => graveyard.purge(hlcFromMs(clock.nowMs() - YOUNG_MS), PURGE_MAX));
          return undefined;
        },
        opened: ({ member: { keeper } }, machine) => {
          keeper.purge = async () => {
            await purges.get(machine)?.();
          };
        },
      };
    },
  },
  {
    name: "floor_above_watermark",
    breaks: "the floor stays below the watermark",
    hooks: () =>
      overMember(({ keeper: { completeness } }) => {
        const adopt = completeness.adoptFloor.bind(completeness);
        completeness.adoptFloor = (floor) => adopt(floor + hlcFromMs(3_700_000));
      }),
  },
  {
    name: "watermark_of_this_node_alone",
    breaks: "the watermark is the least completeness of all counted members",
    hooks: () =>
      overMember((member) => {
        const { completeness } = member.keeper;
        completeness.advance = () => {
          const unit = completeness.unitOf(member.id);
          return unit === undefined ? [] : completeness.adoptWatermark(unit.completeThrough);
        };
      }),
  },
  {
    name: "watermark_without_member_set_check",
    breaks: "the watermark is taken only when all units carry one table hash",
    hooks: () =>
      overMember(({ keeper: { completeness } }) => {
        completeness.advance = (members) => {
          const units = members.ids.flatMap((id) => completeness.unitOf(id) ?? []);
          const least = Math.min(...units.map(({ completeThrough }) => completeThrough));
          return completeness.adoptWatermark(units.length === 0 ? 0 : least);
        };
      }),
  },
  {
    name: "watermark_falls",
    breaks: "a watermark never falls",
    hooks: () =>
      overMember(({ keeper: { completeness } }) => {
        let last = completeness.watermark;
        const adopt = completeness.adoptWatermark.bind(completeness);
        completeness.adoptWatermark = (watermark) => {
          last = watermark;
          return adopt(watermark);
        };
        Object.defineProperty(completeness, "watermark", { get: () => last });
      }),
  },
  {
    name: "stopped_members_not_counted",
    breaks: "a member that is down is counted",
    hooks: () =>
      overMember(({ membership, keeper }) => {
        const counted = membership.counted.bind(membership);
        membership.counted = () => {
          const alive = new Set(
            membership
              .members()
              .filter(({ state }) => state === "alive")
              .map(({ id }) => id),
          );
          const ids = counted().ids.filter((id) => alive.has(id));
          return { ids, tableHash: hashOf(ids.toSorted().join(" ")) };
        };
        Object.defineProperty(keeper, "members", { get: () => membership.counted() });
      }),
  },
  {
    name: "vector_advanced_by_broken_exchange",
    breaks: "a summary vector moves only when an exchange has been completed",
    hooks: () => {
      const claims = new Map<Machine, (peer: NodeId, started: ExchangeDiffers) => void>();
      return {
        memberPorts: (ports, machine) => ({
          ...ports,
          transport: {
            request: async (to, message, timeoutMs) => {
              const reply = await ports.transport.request(to, message, timeoutMs);
              if (reply.kind === "exchange-differs") claims.get(machine)?.(to.id, reply);
              return reply;
            },
          },
        }),
        opened: ({ member: { keeper } }, machine) => {
          const { completeness } = keeper;
          claims.set(machine, (peer, { offer, standing }) =>
            completeness.exchanged(peer, offer, standing, completeness.begin()),
          );
        },
      };
    },
  },
  {
    // Either alone changes nothing that can be seen: after the wait nothing is uncommitted, and the wait makes up for the time.
    name: "offer_above_uncommitted_writes",
    breaks:
      "the time offered is below every own write that is not committed, and those before it are waited for",
    hooks: () => ({
      node: (node) => {
        node.ownTime = () => node.tick();
      },
      memberPorts: (ports) => ({
        ...ports,
        facts: { stats: () => ports.facts.stats(), flush: () => Promise.resolve() },
      }),
    }),
  },
  {
    name: "ghost_rule_while_incomplete",
    breaks: "an incomplete node merges everything",
    hooks: () => ({
      node: (node) => {
        const admit = node.admit.bind(node);
        node.admit = (records, own, sender, refused) =>
          admit(records, { floor: own.floor, complete: true }, { ...sender, complete: false }, refused);
      },
    }),
  },
  {
    name: "no_ghost_rule",
    breaks: "a complete node does not merge what it knows to be purged",
    hooks: () => ({
      node: (node) => {
        const admit = node.admit.bind(node);
        node.admit = (records, own, sender, refused) =>
          admit(records, { floor: own.floor, complete: false }, sender, refused);
        const takeMail = node.takeMail.bind(node);
        node.takeMail = (records) => takeMail(records, 0, 0);
      },
    }),
  },
  {
    name: "everybody_said_to_hold",
    breaks: "a receipt names those that hold a write, and says that it is everywhere when all do",
    hooks: () =>
      overMember((member) => {
        member.peerHolds = () => Promise.resolve(true);
      }),
  },
  {
    name: "differences_not_told",
    breaks: "a node that is asked what differs counts all that does",
    hooks: () =>
      overMember((member) => {
        member.repair.compare = () => Promise.resolve({ keys: 0, differences: [] });
      }),
  },
  {
    name: "silent_loss_not_told",
    breaks: "a complete node says so when it is given by another what it should have had",
    hooks: () => ({
      node: (node) => {
        const admit = node.admit.bind(node);
        node.admit = (...offer) => {
          const admitted = admit(...offer);
          if ("code" in admitted) return admitted;
          return { ...admitted, merged: admitted.merged.map((one) => ({ ...one, alarming: [] })) };
        };
      },
    }),
  },
  {
    // That the incarnation is another is said twice: by the configuration, and by the id under which the state was stored.
    name: "doubt_keeps_the_vector",
    breaks: "a node in doubt starts with an empty vector",
    hooks: () => ({
      memberConfig: (config) => ({ ...config, incarnation: "same" }),
      memberPorts: (ports) => ({ ...ports, store: adopting(ports.store, ports.node.id) }),
    }),
  },
  {
    name: "stopped_by_an_earlier_exchange",
    breaks:
      "a node may be stopped when another has all that it holds, also what others wrote since they last met",
    hooks: () =>
      overMember((member) => {
        member.standIn = () => {
          const shown = member.membership.livePeers().flatMap(({ id: to }) => {
            const last = member.lastExchange(to);
            return last?.staying === true ? [{ to, through: last.offered, senders: new Set<NodeId>() }] : [];
          });
          return Promise.resolve(shown.toSorted((a, b) => b.through - a.through)[0]);
        };
      }),
  },
  {
    name: "roots_always_equal",
    breaks: "roots are equal only when what is held is",
    hooks: () =>
      overPorts((ports) => ({
        ...ports,
        digests: { ...digestsOf(ports), root: () => Promise.resolve(EQUAL_ROOTS) },
      })),
  },
  {
    name: "bucket_listed_in_part",
    breaks: "nothing is left out of an exchange",
    hooks: () =>
      overPorts((ports) => ({
        ...ports,
        digests: {
          ...digestsOf(ports),
          listBucket: async (bucket) =>
            (await ports.digests.listBucket(bucket)).filter(({ time }) => time % 5 !== 0),
        },
      })),
  },
];

function digestsOf({ digests }: MemberPorts): MemberPorts["digests"] {
  return {
    root: () => digests.root(),
    children: (level, index) => digests.children(level, index),
    listBucket: (bucket) => digests.listBucket(bucket),
  };
}

/** 16 digits of FNV-1a, as good a hash of a table as any that all nodes agree on. */
function hashOf(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0").repeat(2);
}

/** What is known of completeness reads as if this id had stored it. */
function adopting(store: RecordStore, id: NodeId): RecordStore {
  const { meta } = store;
  const get = (name: string): Uint8Array | undefined => {
    const stored = meta.get(name);
    if (name !== "completeness" || stored === undefined) return stored;
    return encodeUtf8((decodeUtf8(stored) ?? "").replace(/"about":"[^"]*"/, `"about":"${id}"`));
  };
  return {
    meta: { get, put: (name, value) => meta.put(name, value) },
    get: (key) => store.get(key),
    peek: (key) => store.peek(key),
    latest: (key) => store.latest(key),
    scan: (range) => store.scan(range),
    history: (key) => store.history(key),
    put: (key, record) => store.put(key, record),
    settled: (key) => store.settled(key),
    remove: (key) => store.remove(key),
  };
}

function overPorts(replace: (ports: MemberPorts) => MemberPorts): Hooks {
  return { memberPorts: replace };
}

function overMember(change: (member: ClusterMember) => void): Hooks {
  return { opened: ({ member }) => change(member) };
}
