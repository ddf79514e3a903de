import { useState } from 'react'
import { t, tOf } from '../lib/words'
import { Button } from '../ui/button'
import { Icon } from '../ui/icon'

/** What a webhook can be told, by what it is about. A test holds it against the server's own list. */
export const groups = {
  leads: ['lead.created', 'lead.re_enquired', 'lead.waiting', 'lead.queued', 'lead.unrouted', 'lead.assigned', 'lead.transferred', 'lead.stage_changed', 'lead.next_action', 'lead.tagged', 'lead.file_added', 'lead.file_removed', 'note.added'],
  enquiries: ['enquiry.attached', 'enquiry.conflict', 'enquiry.quarantined', 'enquiry.released', 'enquiry.kept', 'enquiry.dead', 'enquiry.erased'],
  offers: ['offer.made', 'offer.seen', 'offer.accepted', 'offer.declined', 'offer.expired', 'offer.lost'],
  work: ['attempt.begun', 'attempt.made', 'visit.planned', 'visit.done', 'visit.no_show', 'visit.cancelled', 'booking.made', 'booking.cancelled'],
  persons: ['person.corrected', 'person.possible_duplicate', 'person.merged', 'person.unmerged', 'person.suppressed', 'person.unsuppressed', 'person.erased'],
  account: ['alarm.raised', 'alarm.cleared', 'alarm.ended', 'presence.changed', 'setup.changed', 'image.added', 'image.removed', 'key.ending', 'device.revoked', 'recovery.used'],
  access: ['grant.made', 'grant.used', 'grant.ended', 'record.checkpoint'],
} as const
type Group = keyof typeof groups

/** Which events: all that happen, or chosen ones, group by group. The form finds them as "events". */
export function Kinds({ value, fault }: { value: readonly string[]; fault?: string }) {
  const [all, setAll] = useState(value.length === 0)
  const [chosen, choose] = useState<readonly string[]>(value)
  const set = (kinds: readonly string[], on: boolean) => choose(on ? [...new Set([...chosen, ...kinds])] : chosen.filter((k) => !kinds.includes(k)))
  return (
    <fieldset>
      <legend className="mb-1 text-sm font-medium">{t('inlet.hook.events')}</legend>
      {([true, false] as const).map((v) => (
        <label key={String(v)} className="flex min-h-11 items-center gap-2.5 text-base md:min-h-9 md:text-sm">
          <input type="radio" name="which" value={v ? 'all' : 'some'} className="size-4 accent-accent" checked={all === v} onChange={() => setAll(v)} />
          {t(v ? 'inlet.hook.everything' : 'inlet.hook.some')}
        </label>
      ))}
      <p className="text-sm text-soft">{t(all ? 'inlet.hook.everythingWords' : 'inlet.hook.chosen', { count: chosen.length })}</p>
      {!all && <div className="mt-2 border-t border-line">{(Object.keys(groups) as Group[]).map((g) => <Subject key={g} group={g} chosen={chosen} onSet={set} />)}</div>}
      {!all && chosen.map((k) => <input key={k} type="hidden" name="events" value={k} />)}
      {fault && <p role="alert" className="mt-1.5 flex items-start gap-1.5 text-sm text-lost"><Icon name="warn" className="mt-0.5 size-4" />{fault}</p>}
    </fieldset>
  )
}

/** A group: all or none of it by its own box, one by one below. */
function Subject({ group, chosen, onSet }: { group: Group; chosen: readonly string[]; onSet: (kinds: readonly string[], on: boolean) => void }) {
  const kinds: readonly string[] = groups[group]
  const n = kinds.filter((k) => chosen.includes(k)).length
  const [open, show] = useState(n > 0 && n < kinds.length)
  const name = t(`inlet.hook.group.${group}`)
  return (
    <div className="border-b border-line">
      <div className="flex items-center gap-2">
        <label className="flex min-h-11 flex-1 items-center gap-2.5 text-base font-medium md:min-h-10 md:text-sm">
          <input
            type="checkbox"
            className="size-4 accent-accent"
            checked={n === kinds.length}
            ref={(box) => {
              if (box) box.indeterminate = n > 0 && n < kinds.length
            }}
            onChange={(e) => onSet(kinds, e.target.checked)}
          />
          {name}
        </label>
        <span className="figures text-sm text-soft">{t('inlet.hook.of', { n, all: kinds.length })}</span>
        <Button type="button" look="quiet" icon={open ? 'down' : 'next'} aria-expanded={open} aria-label={t(open ? 'inlet.hook.fold' : 'inlet.hook.unfold', { name })} onClick={() => show(!open)} />
      </div>
      {open && (
        <ul className="pb-2 ps-6.5">
          {kinds.map((k) => (
            <li key={k}>
              <label className="flex min-h-11 items-start gap-2.5 py-1.5 text-base md:min-h-9 md:text-sm">
                <input type="checkbox" className="mt-0.5 size-4 shrink-0 accent-accent" checked={chosen.includes(k)} onChange={(e) => onSet([k], e.target.checked)} />
                <span className="min-w-0">{tOf('inlet.hook.event', k)}<span dir="ltr" className="block font-mono text-xs text-faint rtl:text-end">{k}</span></span>
              </label>
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}
