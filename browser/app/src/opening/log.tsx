import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { Chip, Chips } from '../console/chip'
import { Copy } from '../console/copy'
import { Listing } from '../console/listing'
import { Page, Sorry } from '../console/page'
import { Fact } from '../console/story'
import { api, ok, type Schemas } from '../lib/api'
import { faultOf } from '../lib/fault'
import { full } from '../lib/format'
import { t } from '../lib/words'
import { Missing } from '../root'
import type { LogFilter } from '../router'
import { Badge, type Tone } from '../ui/badge'
import { Button } from '../ui/button'
import { Empty } from '../ui/empty'
import { Select } from '../ui/select'
import { Sheet } from '../ui/sheet'
import { Rows } from '../ui/skeleton'
import { Countdown } from '../ui/time'

const here = getRouteApi('/inside/console/platform/approvals/$id')
type Line = Schemas['LogLine']
const levels = ['info', 'warn', 'error'] as const
const tones: Record<Line['level'], Tone> = { info: 'plain', warn: 'warm', error: 'lost' }

/** A part of the program's log, for as long as others have approved it. What was read goes from the screen when that ends. */
export function Log() {
  const { id } = here.useParams()
  const asked = useQuery({
    queryKey: ['approvals', 'of', id],
    refetchInterval: 5000, // anybody may end it
    queryFn: () => ok(api.GET('/v1/operator/approvals', { params: { query: { limit: 200 } } })).then((l) => l.items.find((r) => r.id === id) ?? null),
  })
  const r = asked.data
  if (asked.isError && r === undefined) return <Page title={t('log.title')}><Sorry error={asked.error} again={() => void asked.refetch()} /></Page>
  if (r === undefined) return <Page title={t('log.title')}><Rows n={10} /></Page>
  if (!r?.log) return <Missing />
  if (r.state !== 'open') return <Page title={t('log.title')}><Empty title={t('log.over')} words={t('log.overWords')}><Link to="/console/platform/approvals" className="font-medium text-accent underline underline-offset-4">{t('approval.title')}</Link></Empty></Page>
  return <Lines r={r} log={r.log} ended={() => void asked.refetch()} />
}

function Lines({ r, log, ended }: { r: Schemas['Approval']; log: Schemas['ApprovalLog']; ended: () => void }) {
  const filter = here.useSearch()
  const go = useNavigate()
  const [shown, show] = useState<Line | null>(null)
  const set = (part: Partial<LogFilter>) => {
    show(null)
    void go({ to: '/console/platform/approvals/$id', params: { id: r.id }, search: (s: object) => ({ ...s, ...part }), replace: true })
  }
  const { level, part, account, request } = filter
  const list = useInfiniteQuery({
    queryKey: ['approvals', 'of', r.id, 'lines', filter],
    initialPageParam: undefined as string | undefined,
    // Each page read is on the record: none is read again unasked.
    staleTime: Infinity,
    gcTime: 0,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
    retry: false,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/operator/approvals/{id}/lines', { params: { path: { id: r.id }, query: { level, part, account_id: account, request, limit: 200, cursor: pageParam } } })),
    getNextPageParam: (p) => p.next_cursor,
  })
  const rows = list.data?.pages.flatMap((p) => p.items) ?? []
  const { hasNextPage, isFetching, isError, fetchNextPage } = list
  const status = isError ? faultOf(list.error).status : 0
  useEffect(() => {
    if (status === 403) ended()
  }, [status, ended])
  useEffect(() => {
    if (!rows.length && hasNextPage && !isFetching && !isError) void fetchNextPage() // so far nothing was found
  }, [rows.length, hasNextPage, isFetching, isError, fetchNextPage])
  const narrowed = part || account || request
  return (
    <Page
      full
      title={t('log.title')}
      words={<><span dir="auto">{r.purpose}</span> · {full(log.from)} – {full(log.to)}</>}
      action={r.opened_at && r.ends_at && <p className="text-sm"><Countdown from={r.opened_at} to={r.ends_at} className="text-lg font-semibold" /> {t('approval.left')}</p>}
    >
      <div className="mb-3 flex flex-wrap items-end gap-3">
        <Select className="w-56" label={t('log.level')} hideLabel value={level ?? 'info'} onChange={(v) => set({ level: v === 'info' ? undefined : v })} choices={levels.map((l) => ({ value: l, label: t(`log.least.${l}`) }))} />
      </div>
      {narrowed && (
        <Chips>
          {part && <Chip words={part} off={() => set({ part: undefined })} />}
          {account && <Chip words={account} off={() => set({ account: undefined })} />}
          {request && <Chip words={request} off={() => set({ request: undefined })} />}
        </Chips>
      )}
      <Listing
        query={{ ...list, isPending: list.isPending || (!rows.length && list.isFetchingNextPage) }}
        rows={rows}
        rowKey={(l) => l.id}
        label={t('log.title')}
        keys={{ next: t('log.next'), before: t('log.before') }}
        empty={<Empty title={t('log.none')} words={t('log.noneWords')} />}
        onOpen={show}
        selected={shown?.id}
        more={list.hasNextPage && !list.isFetchNextPageError ? () => void list.fetchNextPage() : undefined}
        loading={list.isFetchingNextPage}
        columns={[
          { id: 'at', width: '232px', head: t('log.at'), cell: (l) => <time className="figures" dateTime={l.at}>{stamp(l.at)}</time> },
          { id: 'level', width: '112px', head: t('log.level'), cell: (l) => <Badge tone={tones[l.level]}>{t(`log.is.${l.level}`)}</Badge> },
          { id: 'message', width: 'minmax(280px,2fr)', head: t('log.message'), cell: (l) => <span dir="ltr">{l.message}</span> },
          { id: 'part', width: '112px', head: t('log.part'), cell: (l) => <span dir="ltr" className="font-mono text-xs">{l.part}</span> },
          { id: 'rest', width: 'minmax(200px,2fr)', head: t('log.rest'), cell: (l) => <span dir="ltr" className="text-soft">{rest(l)}</span> },
        ]}
      />
      <Sheet open={!!shown} onClose={() => show(null)} title={t('log.line')}>{shown && <One l={shown} set={set} />}</Sheet>
    </Page>
  )
}

/** In the reader's zone, to the thousandth: lines of one second have an order. */
const stamp = (at: string) => `${new Date(at).toLocaleDateString('sv')} ${new Date(at).toLocaleTimeString('sv')}.${String(new Date(at).getMilliseconds()).padStart(3, '0')}`

const said = (v: unknown) => (typeof v === 'string' ? v : JSON.stringify(v))
const rest = (l: Line) => Object.entries(l.attrs).map(([name, v]) => `${name}=${said(v)}`).join(' ')

function One({ l, set }: { l: Line; set: (part: Partial<LogFilter>) => void }) {
  return (
    <div className="grid gap-5 text-sm">
      <p className="flex flex-wrap items-center gap-3"><Badge tone={tones[l.level]}>{t(`log.is.${l.level}`)}</Badge><time dateTime={l.at}>{full(l.at)}</time></p>
      <p dir="ltr" className="text-base break-words">{l.message}</p>
      <dl className="grid gap-3">
        {l.part && <Fact words={t('log.part')}><span dir="ltr" className="font-mono text-xs">{l.part}</span></Fact>}
        {l.account_id && <Fact words={t('approval.account')}><span dir="ltr" className="font-mono text-xs break-all">{l.account_id}</span></Fact>}
        {l.request_id && <Fact words={t('log.request')}><span dir="ltr" className="font-mono text-xs break-all">{l.request_id}</span></Fact>}
        {Object.entries(l.attrs).map(([name, v]) => <Fact key={name} words={name}><span dir="ltr" className="font-mono text-xs break-words whitespace-pre-wrap">{said(v)}</span></Fact>)}
      </dl>
      <p className="flex flex-wrap gap-2">
        {l.request_id && <Copy text={l.request_id} words={t('log.copy')} />}
        {l.request_id && <Button onClick={() => set({ request: l.request_id! })}>{t('log.onlyRequest')}</Button>}
        {l.part && <Button onClick={() => set({ part: l.part })}>{t('log.onlyPart')}</Button>}
        {l.account_id && <Button onClick={() => set({ account: l.account_id! })}>{t('log.onlyAccount')}</Button>}
      </p>
    </div>
  )
}
