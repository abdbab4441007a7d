#!/bin/sh
# Makes the clips of this folder again. Needs ffmpeg with libmp3lame, libvorbis, libopus and libvpx, and
# opusenc.
# The clips are committed: the tests do not need ffmpeg.
set -eu
cd "$(dirname "$0")"

# What every clip holds, as functions of time in seconds. src/media/tests/truth/mod.rs says the same.
L='0.25*sin(2*PI*(300*t+1500*t*t))'
R='0.25*sin(2*PI*(2500*t-1200*t*t))'
C='0.25*sin(2*PI*700*t)'
LFE='0.25*sin(2*PI*60*t)'
SL='0.25*sin(2*PI*1100*t)'
SR='0.25*sin(2*PI*1700*t)'
mono="$L"
stereo="$L|$R"
five="$L|$R|$C|$LFE|$SL|$SR"

# make OUTPUT RATE SECONDS LAYOUT EXPRESSIONS ENCODER-OPTIONS...
make() {
    out=$1 rate=$2 seconds=$3 layout=$4 exprs=$5
    shift 5
    ffmpeg -v error -y -f lavfi -i "aevalsrc=exprs=$exprs:s=$rate:d=$seconds:c=$layout" \
        -map_metadata -1 -fflags +bitexact -flags:a +bitexact "$@" "$out"
}

tags='-metadata title=Chirp -metadata artist=Mynah -metadata album=Clips'

make mp3_44k_stereo.mp3        44100 0.7  stereo "$stereo" -c:a libmp3lame -b:a 128k $tags
make mp3_22k_mono.mp3          22050 0.9  mono   "$mono"   -c:a libmp3lame -b:a 64k
make mp3_48k_no_index.mp3      48000 0.9  stereo "$stereo" -c:a libmp3lame -q:a 2 -write_xing 0 -id3v2_version 0
make flac_44k_stereo.flac      44100 0.31 stereo "$stereo" -c:a flac -sample_fmt s16 $tags
make flac_96k_mono_24bit.flac  96000 0.09 mono   "$mono"   -c:a flac -sample_fmt s32 -bits_per_raw_sample 24
make flac_48k_5_1.flac         48000 0.11 5.1    "$five"   -c:a flac -sample_fmt s16
make vorbis_44k_stereo.ogg     44100 0.7  stereo "$stereo" -c:a libvorbis -q:a 4 $tags
make vorbis_48k_5_1.ogg        48000 0.5  5.1    "$five"   -c:a libvorbis -q:a 3
make opus_48k_stereo.opus      48000 0.777 stereo "$stereo" -c:a libopus -b:a 96k $tags
make opus_24k_mono.opus        24000 0.7  mono   "$mono"   -c:a libopus -b:a 48k
make opus_48k_5_1.opus         48000 0.45 5.1    "$five"   -c:a libopus -b:a 200k -mapping_family 1
make opus_60ms_long_frames.opus 48000 0.5 stereo "$stereo" -c:a libopus -b:a 96k -frame_duration 60
make opus_48k_stereo.webm      48000 0.777 stereo "$stereo" -c:a libopus -b:a 96k $tags
make vorbis_44k_stereo.webm    44100 0.7  stereo "$stereo" -c:a libvorbis -q:a 4
make opus_48k_stereo.mp4       48000 0.777 stereo "$stereo" -c:a libopus -b:a 96k -strict -2
make flac_44k_stereo.mka       44100 0.21 stereo "$stereo" -c:a flac -sample_fmt s16
make mp3_44k_stereo.mkv        44100 0.7  stereo "$stereo" -c:a libmp3lame -b:a 128k
make aac_44k_stereo.mkv        44100 0.7  stereo "$stereo" -c:a aac -b:a 128k
make aac_44k_stereo.m4a        44100 0.7  stereo "$stereo" -c:a aac -b:a 128k $tags
make aac_48k_mono_faststart.m4a 48000 0.7 mono   "$mono"   -c:a aac -b:a 64k -movflags +faststart
make aac_44k_fragmented.mp4    44100 0.7  stereo "$stereo" -c:a aac -b:a 128k -movflags +frag_keyframe+empty_moov+delay_moov -frag_duration 200000
make aac_44k_stereo.aac        44100 0.7  stereo "$stereo" -c:a aac -b:a 128k -f adts
make aac_48k_5_1.m4a           48000 0.2  5.1    "$five"   -c:a aac -b:a 448k
make aac_48k_5_1.aac           48000 0.2  5.1    "$five"   -c:a aac -b:a 448k -f adts
# HE-AAC needs an ffmpeg with libfdk_aac. Debian's has none: README.md tells how these came about.
if ffmpeg -v quiet -encoders | grep -q libfdk_aac; then
    make aac_he_44k_stereo.m4a    44100 0.7 stereo "$stereo" -c:a libfdk_aac -profile:a aac_he -b:a 64k
    make aac_he_44k_stereo.aac    44100 0.7 stereo "$stereo" -c:a libfdk_aac -profile:a aac_he -b:a 64k -f adts
    make aac_he_v2_44k_stereo.m4a 44100 0.7 stereo "$stereo" -c:a libfdk_aac -profile:a aac_he_v2 -b:a 32k
fi
make alac_44k_stereo.m4a       44100 0.21 stereo "$stereo" -c:a alac -sample_fmt s16p
make pcm_22k_mono.aiff         22050 0.4  mono   "$mono"   -c:a pcm_s16be
make pcm_44k_stereo_24bit.wav  44100 0.07 stereo "$stereo" -c:a pcm_s24le
make pcm_48k_5_1.wav           48000 0.03 5.1    "$five"   -c:a pcm_s16le
make adpcm_44k_stereo.wav      44100 0.20653061224 stereo "$stereo" -c:a adpcm_ms
make opus_11s_clusters.webm    48000 11   mono   '0.25*sin(2*PI*(200*t+60*t*t))' -c:a libopus -b:a 8k -cluster_time_limit 2000

# Files that say something about themselves: a gain, two chapters and a picture.
about=$(mktemp -d)
ffmpeg -v error -y -f lavfi -i color=red:s=8x8:r=1:d=1 -frames:v 1 -map_metadata -1 -fflags +bitexact \
    -flags:v +bitexact -pix_fmt pal8 "$about/cover.png"
cat > "$about/about.txt" <<'END'
;FFMETADATA1
title=Chirp
REPLAYGAIN_TRACK_GAIN=-7.50 dB
REPLAYGAIN_TRACK_PEAK=0.250000
[CHAPTER]
TIMEBASE=1/1000
START=0
END=100
title=One
[CHAPTER]
TIMEBASE=1/1000
START=100
END=200
title=Zwei – zwei
END
# about OUTPUT PICTURE-OPTIONS ENCODER-OPTIONS...
about() {
    out=$1 picture=$2
    shift 2
    # shellcheck disable=SC2086 # several options in one word
    ffmpeg -v error -y -f lavfi -i "aevalsrc=exprs=$mono:s=48000:d=0.2:c=mono" -i "$about/about.txt" $picture \
        -map_metadata 1 -map_chapters 1 -fflags +bitexact -flags:a +bitexact "$@" "$out"
}
picture="-i $about/cover.png -map 0:a -map 2:v -c:v copy -disposition:v attached_pic"
about about.mp3  "$picture" -c:a libmp3lame -b:a 32k
about about.flac "$picture" -c:a flac -sample_fmt s16
about about.m4a  "$picture" -c:a aac -b:a 32k
about about.mka  "-attach $about/cover.png -metadata:s:t mimetype=image/png" -c:a libopus -b:a 16k
about "$about/plain.wav" '' -c:a pcm_s16le -map_metadata -1
opusenc --quiet --bitrate 16 --serial 1 --discard-comments --title Chirp --comment R128_TRACK_GAIN=-1920 \
    --comment CHAPTER001=00:00:00.000 --comment CHAPTER001NAME=One \
    --comment CHAPTER002=00:00:00.100 --comment 'CHAPTER002NAME=Zwei – zwei' \
    --picture "$about/cover.png" "$about/plain.wav" about.opus
rm -r "$about"

# A file with a picture and no sound.
ffmpeg -v error -y -f lavfi -i color=red:s=16x16:r=5:d=0.4 -map_metadata -1 -fflags +bitexact \
    -c:v libvpx -b:v 20k no_sound.webm

wc -c ./*.* | sort -n
