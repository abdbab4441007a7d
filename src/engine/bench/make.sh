#!/bin/sh
# Makes the clip of the benches again: four seconds of an organ, a pulse and noise, 44.1 kHz stereo mp3
# at 128 kbit/s. Needs ffmpeg with libmp3lame. No tags and no index, so that frames can be put one
# after the other for as long as a song has to last.
cd "$(dirname "$0")" || exit 1
chord='0.05*(sin(220*t*2*PI)+sin(277.2*t*2*PI)+sin(329.6*t*2*PI)+sin(440*t*2*PI)+sin(880*t*2*PI)+0.7*sin(1760*t*2*PI)+0.5*sin(3520*t*2*PI))*(1+0.2*sin(5*t*2*PI))'
pulse='0.3*exp(-8*mod(t,0.5))*sin(110*t*2*PI)'
left="$chord+$pulse+0.04*(random(0)-0.5)*(1+exp(-20*mod(t,0.25))*4)"
right="0.8*$chord+$pulse+0.04*(random(1)-0.5)*(1+exp(-20*mod(t,0.25))*4)"
ffmpeg -v error -y -f lavfi -i "aevalsrc=exprs='$left|$right':s=44100:d=4" \
    -c:a libmp3lame -b:a 128k -write_xing 0 -id3v2_version 0 -map_metadata -1 -fflags +bitexact music.mp3
